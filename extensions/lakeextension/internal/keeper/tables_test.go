package keeper_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/tables"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/memstore"
)

// stride is how many steps lie between two points of death: the tests with tables have some thousand steps, and tell the whole story for each point.
var stride = flag.Int("stride", 131, "kill or suspend a worker with tables at every n-th step; 1: at each one")

// openTable opens the table of a signal as the extension does.
func openTable(s lakestore.Store, signal string, now func() time.Time) *iceberg.Table {
	uuid := ""
	return iceberg.Open(iceberg.Settings{Store: tables.Metadata(s), Name: signal, URI: "file:///lake", Keep: time.Hour, Now: now, UUID: func() string {
		if uuid == "" {
			uuid = fmt.Sprintf("%016x", rand.Uint64())
		}
		fileNumbers.Lock()
		defer fileNumbers.Unlock()
		fileNumbers.n++
		return fmt.Sprintf("%s-%d", uuid, fileNumbers.n)
	}})
}

// fileNumbers numbers the files of the metadata.
var fileNumbers struct {
	sync.Mutex
	n int
}

// worker returns one that keeps the table too, if the story has one: each version of it is looked at as soon as it is there.
func (s *story) worker(store *memstore.Store, epoch int64) *worker {
	if !s.tables {
		return newWorker(store, epoch, s.set)
	}
	all, step, clock := store.View(nil), store.Step, s.clock
	store = store.View(func(op, name string, after bool) error {
		if after && op == "create" && strings.HasSuffix(name, ".metadata.json") {
			s.readableTable(all)
		}
		if step == nil {
			return nil
		}
		return step(op, name, after)
	})
	f := tables.NewFollower(store, openTable(store, "metrics", func() time.Time { return clock }), "metrics")
	w := newWorker(store, epoch, s.set, f)
	w.follower = f
	return w
}

// tableFiles are the files of the table's newest version.
func tableFiles(t testing.TB, store lakestore.Store, signal string) (files []lakestore.File) {
	t.Helper()
	table := openTable(store, signal, time.Now)
	v, err := table.Load(context.Background())
	require.NoError(t, err)
	if v.Metadata().Snapshot() == nil {
		return nil
	}
	require.NoError(t, table.Files(context.Background(), v, -1<<31, 1<<31-1, func(k iceberg.Known) {
		files = append(files, lakestore.File{Path: k.Name, Bytes: k.Bytes})
	}))
	return files
}

// readableTable says that a reader of the table finds all files that it names, has no row twice, and keeps each row that the table has had and that retention does
// not take.
func (s *story) readableTable(store lakestore.Store) {
	if !s.tables || s.t.Failed() {
		return
	}
	var there []lakestore.File
	for _, f := range tableFiles(s.t, store, "metrics") {
		_, err := store.Tail(context.Background(), f.Path, 1)
		if assert.NoError(s.t, err, "step %d: the table names a file that is gone", s.step) {
			there = append(there, f)
		}
	}
	got := ids(s.t, store, there)
	assert.Equal(s.t, slices.Compact(slices.Clone(got)), got, "step %d: the table has rows twice", s.step)
	for _, id := range s.tabled {
		if slices.Contains(want[s.step], id) {
			assert.Contains(s.t, got, id, "step %d: the table has lost row %d", s.step, id)
		}
	}
	s.tabled = got
}

// exactTable says that the table has what the lake has.
func (s *story) exactTable(store lakestore.Store) {
	if !s.tables {
		return
	}
	s.readableTable(store)
	require.ElementsMatch(s.t, want[s.step], s.tabled, "step %d: rows of the table", s.step)
	var have, lie []string
	for _, f := range tableFiles(s.t, store, "metrics") {
		have = append(have, f.Path)
	}
	for _, f := range list(s.t, store, "metrics") {
		lie = append(lie, f.Path)
	}
	require.ElementsMatch(s.t, lie, have, "step %d: files of the table", s.step)
}

func newStoryWithTables(t *testing.T) *story {
	s := newStory(t)
	s.tables = true
	return s
}

// A worker that merges, drops and keeps the table is killed at every step of all that; the next one goes on. The table has no row twice at any moment, loses none, and
// names no file that is gone.
func TestKilledAtEveryStepWithTables(t *testing.T) {
	points := 0
	for n := 0; ; n += *stride {
		s := newStoryWithTables(t)
		store := memstore.New()
		k := &killer{left: n}
		epoch := int64(0)
		s.run(store, func() *worker {
			epoch++
			return s.worker(store.View(k.step), epoch)
		})
		if t.Failed() {
			t.Fatalf("killed at step %d", n)
		}
		if !k.dead {
			points = n
			break
		}
	}
	t.Logf("%d points of death, every %dth tried", points, *stride)
	assert.Greater(t, points, 500)
}

// Workers with tables die again and again, at random.
func TestKilledAgainAndAgainWithTables(t *testing.T) {
	for seed := range uint64(max(1, 800 / *stride)) {
		r := rand.New(rand.NewPCG(seed, 8))
		s := newStoryWithTables(t)
		store := memstore.New()
		epoch := int64(0)
		s.run(store, func() *worker {
			epoch++
			k := &killer{left: r.IntN(200)}
			return s.worker(store.View(k.step), epoch)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// A worker is suspended at every step while another one does all its work, and wakes up later: what it commits then to the table rests on what it saw before.
func TestSuspendedAtEveryStepWithTables(t *testing.T) {
	points := 0
	for n := 0; ; n += *stride {
		slept := suspended(t, newStoryWithTables(t), n, n / *stride % 5 == 0)
		if t.Failed() {
			t.Fatalf("suspended at step %d", n)
		}
		if !slept {
			points = n
			break
		}
	}
	t.Logf("%d points of sleep, every %dth tried", points, *stride)
	assert.Greater(t, points, 500)
}

// In one process the keeper and the committer work side by side, while files come.
func TestTheKeeperAndTheCommitterSideBySide(t *testing.T) {
	store := memstore.New()
	f := tables.NewFollower(store, openTable(store, "logs", time.Now), "logs")
	set := settings()
	k := newWorker(store, 1, set, f)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	const files = 60
	wg.Go(func() {
		for i := range files {
			write(t, store, "logs", hour, 10*i, 10)
			if i%7 == 6 { // a range comes again
				write(t, store, "logs", hour, 10*(i-3), 10)
			}
		}
		stop()
	})
	failed := make(chan error, 2)
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := f.Round(context.Background(), noon, true); err != nil && !errors.Is(err, iceberg.ErrLost) {
				failed <- err
				return
			}
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := k.Pass(context.Background(), "logs", noon); err != nil {
				failed <- err
				return
			}
		}
	})
	for ctx.Err() == nil { // readers of the table
		got := map[string]bool{}
		for _, file := range tableFiles(t, store, "logs") {
			assert.False(t, got[file.Path])
			got[file.Path] = true
		}
	}
	wg.Wait()
	close(failed)
	require.NoError(t, <-failed)
	for range 3 {
		pass(t, k, "logs", noon)
		_, err := f.Round(t.Context(), noon, true)
		require.NoError(t, err)
	}
	clean(t, store)
	assert.Equal(t, upTo(10*files), ids(t, store, tableFiles(t, store, "logs")))
	assert.Empty(t, k.events.failed)
}

// A holder of the lease is suspended between the table's commit and the removal of an expired partition. Another one takes over, looks at the whole lake, and
// doesn't list again what the first one removes when it wakes up.
func TestASecondHolderListsNoDroppedFileAgain(t *testing.T) {
	store, clock := memstore.New(), hour.Add(2*time.Hour)
	store.Now = func() time.Time { return clock }
	set := settings()
	set.Retention = keeper.Retention{Keep: day}
	holder := func(epoch int64, s *memstore.Store) *worker {
		f := tables.NewFollower(s, openTable(s, "metrics", func() time.Time { return clock }), "metrics")
		w := newWorker(s, epoch, set, f)
		w.follower = f
		return w
	}
	write(t, store, "metrics", hour, 0, 4)
	pass(t, holder(1, store), "metrics", clock)
	_, err := holder(1, store).follower.Round(t.Context(), clock, true)
	require.NoError(t, err)
	require.Len(t, tableFiles(t, store, "metrics"), 1)

	clock = clock.Add(2 * day)
	asleep, wake := make(chan struct{}), make(chan struct{})
	var once sync.Once
	first := holder(1, store.View(func(_, name string, after bool) error {
		if !after && strings.HasPrefix(name, "metrics/") && len(tableFiles(t, store, "metrics")) == 0 {
			once.Do(func() {
				close(asleep)
				<-wake
			})
		}
		return nil
	}))
	done := make(chan error)
	go func() {
		_, err := first.Keeper.Pass(context.Background(), "metrics", clock)
		done <- err
	}()
	<-asleep
	changes := list(t, store, lakestore.ChangesDir)
	require.Len(t, changes, 1)
	document, err := store.Tail(t.Context(), changes[0].Path, 1<<20)
	require.NoError(t, err)
	assert.Contains(t, string(document), `"add":[]`, "the exact glob of the README finds out by it what retention is about to remove")
	_, err = holder(2, store).follower.Round(t.Context(), clock, true)
	require.NoError(t, err)
	close(wake)
	require.NoError(t, <-done)
	require.Empty(t, list(t, store, "metrics"))
	assert.Empty(t, tableFiles(t, store, "metrics"), "the table names files that are gone")
}
