package iceberg_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/avro/ocf"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
)

// history makes the same changes each time: files come, are merged, written again and removed.
func history(step int) iceberg.Change {
	hour := int32(someHour + step/4)
	c := iceberg.Change{Add: []iceberg.File{file(fmt.Sprint("n", step), hour, 100), file(fmt.Sprint("u", step), 0, 10)}}
	switch {
	case step%4 == 3:
		c = iceberg.Change{Add: []iceberg.File{file(fmt.Sprint("merged", step), hour, 300)}, Replace: true}
		for i := step - 3; i < step; i++ {
			c.Remove = append(c.Remove, removal(file(fmt.Sprint("n", i), hour, 100)))
		}
	case step%5 == 2:
		c.Add = append(c.Add, file(fmt.Sprint("n", step-1), int32(someHour+(step-1)/4), 111))
	case step%7 == 6:
		c.Remove = append(c.Remove, removal(file(fmt.Sprint("u", step-3), 0, 10)))
	}
	return c
}

// model is what the table must have.
type model map[string]int64

func (m model) apply(c iceberg.Change) {
	for _, r := range c.Remove {
		delete(m, r.Name)
	}
	for _, f := range c.Add {
		m[f.Name] = f.Bytes
	}
}

// A process that is killed before or after any of its operations, while it commits: nothing is there twice, nothing is lost, and what it leaves behind
// is removed by the next commit.
func TestAKillAtAnyPoint(t *testing.T) {
	store, w, want := newMemory(), newWorld(), model{}
	kills := 0
	for step := range 5 {
		c := history(step)
		want.apply(c)
		for killAt := 1; ; killAt++ {
			store, w := store.clone(), *w
			killed := false
			n := 0
			alive := func(string, string) error {
				if n++; n == killAt {
					killed = true
				}
				if killed {
					return errKilled
				}
				return nil
			}
			table := w.open(view{store, alive, alive})
			v, err := table.Load(t.Context())
			if err == nil {
				var result iceberg.Result
				_, result, err = table.Commit(t.Context(), v, c)
				err = errors.Join(err, result.NotCollected)
			}
			if killed {
				require.ErrorIs(t, err, errKilled)
				kills++
			}
			commit(t, w.open(store), c)
			require.Equal(t, want, model(list(t, w.open(store))), "step %d killed at %d", step, killAt)
			last, _ := commit(t, w.open(store), iceberg.Change{Add: []iceberg.File{file("last", someHour, 1)}})
			require.ElementsMatch(t, needed(t, store, last), store.names("_iceberg"), "step %d killed at %d: orphans", step, killAt)
			if !killed {
				break
			}
		}
		w.now = w.now.Add(time.Minute)
		commit(t, w.open(store), c)
	}
	require.Greater(t, kills, 50)
}

// needed are the files that a version consists of, found without the package's own idea of it.
func needed(t *testing.T, store *memory, v *iceberg.Version) (names []string) {
	t.Helper()
	seen := map[string]struct{}{v.Name: {}}
	add := func(uri string) { seen[strings.TrimPrefix(uri, "s3://bucket/lake/")] = struct{}{} }
	for _, l := range v.Metadata().MetadataLog {
		add(l.File)
	}
	for _, s := range v.Metadata().Snapshots {
		add(s.ManifestList)
		r, err := ocf.NewReader(bytes.NewReader(store.files[strings.TrimPrefix(s.ManifestList, "s3://bucket/lake/")]))
		require.NoError(t, err)
		for {
			var m map[string]any
			if err := r.Decode(&m); err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
			add(m["manifest_path"].(string))
		}
	}
	for name := range seen {
		names = append(names, name)
	}
	return names
}

// Of two committers that start from the same version one loses. The other one can make any number of commits while the first is suspended, also so many
// that the name of its next version is free again.
func TestASuspendedCommitterLoses(t *testing.T) {
	for _, others := range []int{1, 53} {
		for at := range 5 {
			store, w := newMemory(), newWorld()
			commit(t, w.open(store), iceberg.Change{Add: []iceberg.File{file("first", someHour, 1)}})
			want := model{file("first", someHour, 1).Name: 1}

			n, reached := 0, false
			suspend := func(op, name string) error {
				if n++; n-1 != at {
					return nil
				}
				reached = true
				other := w.open(store)
				for i := range others {
					w.now = w.now.Add(time.Minute)
					c := iceberg.Change{Add: []iceberg.File{file(fmt.Sprint("other", i), someHour, 2)}}
					want.apply(c)
					commit(t, other, c)
				}
				return nil
			}
			never := func(string, string) error { return nil }
			slow := w.open(view{store, suspend, never})
			v, err := slow.Load(t.Context())
			if err == nil {
				mine := iceberg.Change{Add: []iceberg.File{file("mine", someHour, 3)}}
				if _, _, err = slow.Commit(t.Context(), v, mine); err == nil {
					want.apply(mine)
				}
			}
			got := model(list(t, w.open(store)))
			if err != nil { // what it could not see may be there
				delete(got, file("mine", someHour, 3).Name)
			}
			require.Equal(t, want, got, "%d others at %d: %v", others, at, err)
			if !reached {
				break
			}
			commit(t, w.open(store), iceberg.Change{Add: []iceberg.File{file("last", someHour, 1)}})
			readable(t, w, store)
		}
	}
}

// readable reads all that any snapshot of the newest version consists of.
func readable(t *testing.T, w *world, store *memory) {
	t.Helper()
	v, err := w.open(store).Load(t.Context())
	require.NoError(t, err)
	for _, s := range v.Metadata().Snapshots {
		name := strings.TrimPrefix(s.ManifestList, "s3://bucket/lake/")
		require.Contains(t, store.files, name)
	}
	list(t, w.open(store))
}

// Answers get lost: a version that was made is no version of another.
func TestALostAnswer(t *testing.T) {
	store, w := newMemory(), newWorld()
	lost := 0
	table := w.open(again{store, &lost})
	want := model{}
	for step := range 30 {
		c := history(step)
		want.apply(c)
		v, err := table.Load(t.Context())
		require.NoError(t, err)
		_, _, err = table.Commit(t.Context(), v, c)
		require.NoError(t, err)
	}
	require.Equal(t, want, model(list(t, w.open(store))))
	require.Positive(t, lost)
}

// Random interleavings of three processes, each of which commits files of its own.
func TestCommittersInterleave(t *testing.T) {
	for seed := range uint64(4) {
		store, w, r := newMemory(), newWorld(), rand.New(rand.NewPCG(seed, 1))
		turns := make(chan chan struct{})
		done := make(chan map[string]struct{})
		for p := range 3 {
			go func() {
				mine := map[string]struct{}{}
				wait := func(string, string) error {
					turn := make(chan struct{})
					turns <- turn
					<-turn
					return nil
				}
				never := func(string, string) error { return nil }
				table := w.open(view{store, wait, never})
				for i := 0; i < 8; {
					f := file(fmt.Sprintf("p%d-%d", p, i), someHour+int32(i), 1)
					v, err := table.Load(t.Context())
					if err == nil {
						_, _, err = table.Commit(t.Context(), v, iceberg.Change{Add: []iceberg.File{f}})
					}
					if err == nil {
						mine[f.Name] = struct{}{}
						i++
					}
				}
				done <- mine
			}()
		}
		all := map[string]struct{}{}
		var waiting []chan struct{}
		running := 3
		for running > 0 {
			for len(waiting) < running {
				select {
				case turn := <-turns:
					waiting = append(waiting, turn)
				case mine := <-done:
					running--
					for name := range mine {
						all[name] = struct{}{}
					}
				}
			}
			if running > 0 {
				i := r.IntN(len(waiting))
				close(waiting[i])
				waiting = append(waiting[:i], waiting[i+1:]...)
			}
		}
		got := list(t, w.open(store))
		require.Len(t, got, len(all), "seed %d", seed)
		for name := range all {
			require.Contains(t, got, name)
		}
	}
}
