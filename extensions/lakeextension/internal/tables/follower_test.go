package tables_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/footer"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/tables"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
	"github.com/penstockhq/penstock/internal/lakestore/storetest"
)

func TestWhatExportersWriteIsInTheTable(t *testing.T) {
	m := newMemory()
	f := tables.NewFollower(m, open(m), "logs")
	m.put(name("acme", now, 1), parquet(t, "acme", 3, now))
	m.put(name("beta", now.Add(-2*time.Hour), 2), parquet(t, "beta", 4, now.Add(-2*time.Hour)))
	late := name("acme", now.Add(-100*time.Hour), 3)
	m.put(late, parquet(t, "acme", 5, now.Add(-100*time.Hour)))
	m.put("logs/date=2026-11-30/hour=12/tenant=acme/note.txt", []byte("no Parquet"))

	r, err := f.Round(t.Context(), now, false)
	require.NoError(t, err)
	assert.Equal(t, 2, r.Added)
	assert.Equal(t, 1, r.Commits)
	n, _ := rows(t, m)
	assert.Equal(t, "7", n)
	r, err = f.Round(t.Context(), now, false)
	require.NoError(t, err)
	assert.Zero(t, r.Commits, "nothing new, no commit")

	r, err = f.Round(t.Context(), now, true)
	require.NoError(t, err)
	assert.Equal(t, 1, r.Added, "old hours come with a round over all")
	n, files := rows(t, m)
	assert.Equal(t, "12", n)
	assert.Contains(t, files, late)

	v, err := open(m).Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "penstock.logs-0:1-3", v.Metadata().Snapshots[0].Summary["penstock.range"])
	assert.Equal(t, "penstock.logs-0:3-4", v.Metadata().Snapshots[1].Summary["penstock.range"])
}

// The directory of 1970 holds rows of any time: its files have no partition, or a search by time would miss them.
func TestFilesOfSeveralHoursHaveNoPartition(t *testing.T) {
	m := newMemory()
	folded := name("acme", time.Unix(0, 0), 1)
	m.put(folded, parquet(t, "acme", 3, now))
	m.put(name("acme", now, 2), parquet(t, "acme", 3, now))
	round(t, m, true)
	table := open(m)
	v, err := table.Load(t.Context())
	require.NoError(t, err)
	hours := map[string]int32{}
	require.NoError(t, table.Files(t.Context(), v, -1<<31, 1<<31-1, func(k iceberg.Known) { hours[k.Name] = k.Hour }))
	assert.Equal(t, map[string]int32{folded: iceberg.Undated, name("acme", now, 2): int32(now.Unix() / 3600)}, hours)
}

func TestWhatIsGoneLeavesTheTable(t *testing.T) {
	m := newMemory()
	for i, ago := range []time.Duration{0, time.Hour, 50 * time.Hour, 90 * time.Hour} {
		m.put(name("acme", now.Add(-ago), i), parquet(t, "acme", 1, now.Add(-ago)))
	}
	round(t, m, true)
	m.put(name("acme", now.Add(-50*time.Hour), 2), nil)
	m.put(name("acme", now.Add(-90*time.Hour), 3), nil)
	assert.Zero(t, round(t, m, false).Removed)
	assert.Equal(t, 2, round(t, m, true).Removed)
	m.put(name("acme", now, 0), nil)
	assert.Equal(t, 1, round(t, m, false).Removed)
	n, files := rows(t, m)
	assert.Equal(t, "1", n)
	assert.Equal(t, []string{name("acme", now.Add(-time.Hour), 1)}, files)
	m.put(files[0], nil)
	round(t, m, true)
	n, _ = rows(t, m)
	assert.Equal(t, "0", n)
}

func TestAFileThatIsWrittenAgain(t *testing.T) {
	m := newMemory()
	f := tables.NewFollower(m, open(m), "logs")
	content := parquet(t, "acme", 3, now)
	m.put(name("acme", now, 1), content)
	_, err := f.Round(t.Context(), now, false)
	require.NoError(t, err)
	m.put(name("acme", now, 1), parquet(t, "acme", 3, now, "a_column_that_a_newer_version_writes"))
	r, err := f.Round(t.Context(), now, false)
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1}, []int{r.Added, r.Removed})
	n, files := rows(t, m)
	assert.Equal(t, "3", n)
	assert.Len(t, files, 1)
}

func TestWhatCantBeInTheTable(t *testing.T) {
	m := newMemory()
	f := tables.NewFollower(m, open(m), "logs")
	m.put(name("acme", now, 1), parquet(t, "acme", 3, now))
	cut := name("acme", now, 2)
	m.put(cut, parquet(t, "acme", 3, now)[:100])
	r, err := f.Round(t.Context(), now, false)
	require.NoError(t, err)
	assert.Equal(t, 1, r.Added, "the others live")
	require.Len(t, r.Refused, 1)
	assert.ErrorIs(t, r.Refused[cut], footer.ErrDamaged)
	m.put(name("acme", now, 3), parquet(t, "acme", 3, now))
	r, err = f.Round(t.Context(), now, false)
	require.NoError(t, err)
	assert.Empty(t, r.Refused, "it is reported once")
	assert.Equal(t, 1, r.Added)
	m.put(cut, parquet(t, "acme", 3, now))
	r, err = f.Round(t.Context(), now, false)
	require.NoError(t, err)
	assert.Equal(t, 1, r.Added, "it was replaced by a good one")
}

// steps are what a compaction does to a lake, one after the other: what is there after each has each row once.
func steps(t *testing.T, partition string, sequence int, from []string, to string, content []byte) []func(*memory) {
	c := lakestore.Change{Partition: partition, Sequence: sequence, Reason: "merge", Add: []lakestore.File{{Path: to, Bytes: int64(len(content))}}}
	for _, f := range from {
		c.Remove = append(c.Remove, lakestore.File{Path: f})
	}
	doc, text := document(t, c)
	all := []func(*memory){
		func(m *memory) { m.put(lakestore.StagedPath(to), content) },
		func(m *memory) { m.put(doc, text) },
		func(m *memory) { m.put(to, content); m.put(lakestore.StagedPath(to), nil) },
	}
	for _, f := range from {
		all = append(all, func(m *memory) { m.put(f, nil) })
	}
	return all
}

// At any moment of a compaction each row is in the table once.
func TestACompactionIsOneCommit(t *testing.T) {
	m := newMemory()
	partition := lakestore.PartitionDir("logs", now, "acme")
	var from []string
	for i := range 3 {
		from = append(from, name("acme", now, i))
		m.put(from[i], parquet(t, "acme", 10, now))
	}
	round(t, m, false)
	f := tables.NewFollower(m, open(m), "logs")
	for i, step := range steps(t, partition, 1, from, path.Join(partition, "c-1.parquet"), parquet(t, "acme", 30, now)) {
		step(m)
		_, err := f.Round(t.Context(), now, i%2 == 0)
		require.NoError(t, err)
		n, files := rows(t, m)
		assert.Equal(t, "30", n, "after step %d: %v", i, files)
	}
	_, files := rows(t, m)
	assert.Equal(t, []string{path.Join(partition, "c-1.parquet")}, files)
	v, err := open(m).Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "replace", v.Metadata().Snapshot().Summary["operation"])

	m.put(from[1], parquet(t, "acme", 10, now)) // a range that is delivered again
	round(t, m, true)
	n, _ := rows(t, m)
	assert.Equal(t, "30", n)
}

// A random life of a lake: exporters write, write again and come late, compaction merges, retention drops, and each process that keeps the table is killed
// after a random number of operations. What the table has is what readers should read, whenever a round ends.
func TestARandomLife(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 7))
		m := newMemory()
		l := life{t: t, m: m, r: r, sequence: map[string]int{}}
		kills := 0
		for range 40 {
			for range 1 + r.IntN(3) {
				l.step()
			}
			left := atomic.Int64{}
			left.Store(r.Int64N(60))
			alive := func() error { // footers are read at the same time
				if left.Add(-1) < 0 {
					return errKilled
				}
				return nil
			}
			m.before, m.after = alive, alive
			_, err := tables.NewFollower(m, open(m), "logs").Round(context.Background(), now, true)
			m.before, m.after = newMemory().before, newMemory().after
			if err != nil {
				require.ErrorIs(t, err, errKilled)
				kills++
				continue
			}
			l.check()
		}
		round(t, m, true)
		l.check()
		require.Positive(t, kills, "seed %d", seed)
	}
}

type life struct {
	t        *testing.T
	m        *memory
	r        *rand.Rand
	n        int
	sequence map[string]int // by partition
	written  []string
	pending  []func(*memory) // of a compaction
}

func (l *life) step() {
	if len(l.pending) > 0 && l.r.IntN(3) > 0 {
		l.pending[0](l.m)
		l.pending = l.pending[1:]
		return
	}
	at := now.Add(-time.Duration(l.r.IntN(3)) * time.Hour)
	partition := lakestore.PartitionDir("logs", at, "acme")
	switch l.r.IntN(6) {
	default:
		l.n++
		l.written = append(l.written, name("acme", at, l.n))
		l.m.put(name("acme", at, l.n), parquet(l.t, "acme", 1+l.r.IntN(5), at))
	case 4: // an old range comes again
		if len(l.written) > 0 {
			p, _ := lakestore.ParsePartition(path.Dir(l.written[0]))
			l.m.put(l.written[0], parquet(l.t, "acme", 2, p.Hour, strings.Repeat("x", l.r.IntN(2)+1)))
		}
	case 5:
		if len(l.pending) > 0 {
			return
		}
		live, _ := l.live(partition)
		if len(live) < 2 {
			return
		}
		var from []string
		for _, f := range live {
			from = append(from, f.Path)
		}
		l.sequence[partition]++
		to := path.Join(partition, fmt.Sprintf("c-%d.parquet", l.sequence[partition]))
		l.pending = steps(l.t, partition, l.sequence[partition], from, to, parquet(l.t, "acme", 9, at))
	}
}

func (l *life) live(partition string) (live, dead []lakestore.File) {
	var files []lakestore.File
	var changes []lakestore.Change
	require.NoError(l.t, l.m.List(context.Background(), partition, func(f lakestore.File) error { files = append(files, f); return nil }))
	require.NoError(l.t, l.m.List(context.Background(), path.Join(lakestore.ChangesDir, partition), func(f lakestore.File) error {
		c, err := lakestore.ReadChange(context.Background(), l.m, f.Path)
		changes = append(changes, c)
		return err
	}))
	return lakestore.Live(files, changes)
}

func (l *life) check() {
	l.t.Helper()
	var want []string
	for h := range 3 {
		live, _ := l.live(lakestore.PartitionDir("logs", now.Add(-time.Duration(h)*time.Hour), "acme"))
		for _, f := range live {
			want = append(want, f.Path)
		}
	}
	slices.Sort(want)
	_, files := rows(l.t, l.m)
	require.Equal(l.t, want, files)
}

func TestADiskAndAnObjectStore(t *testing.T) {
	dir, _, err := lakestore.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.Close()) })
	location, err := bucket.Parse(storetest.New(t).Location(""))
	require.NoError(t, err)
	store, err := bucket.New(location, bucket.Keys{AccessKeyID: "key", SecretAccessKey: "secret"})
	require.NoError(t, err)
	for kind, s := range map[string]lakestore.Store{"disk": dir, "object store": store} {
		t.Run(kind, func(t *testing.T) {
			write := func(tenant string, n int) {
				t.Helper()
				file := name(tenant, now, n)
				_, err := s.Write(t.Context(), path.Dir(file), strings.TrimSuffix(path.Base(file), lakestore.Extension), func(w io.Writer) error {
					_, err := w.Write(parquet(t, tenant, 5, now))
					return err
				})
				require.NoError(t, err)
			}
			for i := range 12 {
				write("acme", i)
				write("a b/c", i)
				assert.Equal(t, 2, round(t, s, i%2 == 0).Added)
			}
			n, files := rows(t, s)
			assert.Equal(t, "120", n)
			require.NoError(t, s.Remove(t.Context(), files[0]))
			assert.Equal(t, 1, round(t, s, true).Removed)
		})
	}
}

// Two gateways that both keep the table do each other no harm.
func TestTwoGateways(t *testing.T) {
	m := newMemory()
	done := make(chan error)
	for range 2 {
		f := tables.NewFollower(m, open(m), "logs")
		go func() {
			for range 20 {
				if _, err := f.Round(context.Background(), now, false); err != nil && !errors.Is(err, iceberg.ErrLost) {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for i := range 30 {
		m.put(name("acme", now, i), parquet(t, "acme", 1, now))
	}
	require.NoError(t, errors.Join(<-done, <-done))
	round(t, m, true)
	n, files := rows(t, m)
	assert.Equal(t, "30", n)
	assert.Len(t, files, 30)
}

// The keeper asks before it deletes files: afterwards the table has none of them.
func TestAChangeIsTakenOver(t *testing.T) {
	m := newMemory()
	partition := lakestore.PartitionDir("logs", now, "acme")
	var from []string
	for i := range 3 {
		from = append(from, name("acme", now, i))
		m.put(from[i], parquet(t, "acme", 10, now))
	}
	m.put(name("beta", now, 1), parquet(t, "beta", 1, now))
	f := tables.NewFollower(m, open(m), "logs")
	_, err := f.Round(t.Context(), now, false)
	require.NoError(t, err)
	merged := path.Join(partition, "c-1.parquet")
	compaction := steps(t, partition, 1, from, merged, parquet(t, "acme", 30, now))
	c := lakestore.Change{Partition: partition, Sequence: 1, Add: []lakestore.File{{Path: merged}}}
	for _, file := range from {
		c.Remove = append(c.Remove, lakestore.File{Path: file})
	}
	compaction[0](m)
	compaction[1](m)
	require.ErrorContains(t, f.Apply(t.Context(), c), "is not complete")
	compaction[2](m)
	for range 2 { // once, and again
		require.NoError(t, f.Apply(t.Context(), c))
		n, files := rows(t, m)
		assert.Equal(t, "31", n)
		assert.Equal(t, []string{merged, name("beta", now, 1)}, files)
	}

	// A later change removes what this one added; this one comes again.
	second := path.Join(partition, "c-2.parquet")
	for _, step := range steps(t, partition, 2, []string{merged}, second, parquet(t, "acme", 30, now))[:3] {
		step(m)
	}
	require.NoError(t, f.Apply(t.Context(), lakestore.Change{Partition: partition, Sequence: 2, Add: []lakestore.File{{Path: second}}, Remove: c.Add}))
	require.NoError(t, f.Apply(t.Context(), c))
	_, files := rows(t, m)
	assert.Equal(t, []string{second, name("beta", now, 1)}, files)

	// Retention: the table forgets first, and does not find the files again while they are there.
	require.NoError(t, f.Apply(t.Context(), lakestore.Change{Partition: partition, Reason: "retention", Remove: []lakestore.File{{Path: second}}}))
	_, err = f.Round(t.Context(), now, true)
	require.NoError(t, err)
	_, files = rows(t, m)
	assert.Equal(t, []string{name("beta", now, 1)}, files)
}
