package keeper_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/memstore"
)

// story is what happens to a lake while the exporter writes, files are merged, compressed harder and dropped, on a clock of its own.
type story struct {
	t     *testing.T
	clock time.Time
	set   keeper.Settings
	// tables: each worker also keeps the Iceberg table of the signal, as the extension does.
	tables bool
	step   int // of the story
	// tabled are the rows that the table had when it was looked at last.
	tabled []int64
}

const day = 24 * time.Hour

func newStory(t *testing.T) *story {
	set := settings()
	set.RecompressAfter, set.RecompressLevel = day, 5
	set.Retention = keeper.Retention{Keep: 30 * day, Rules: []keeper.Rule{{Signal: "metrics", Window: "1h", Keep: 60 * day}}}
	return &story{t: t, clock: hour.Add(2 * time.Hour), set: set}
}

// steps are what the exporter does, and after how much time; between them workers make passes.
func (s *story) steps(store lakestore.Store) []struct {
	write func()
	after time.Duration
} {
	w := func(signal string, at time.Time, first, n int, windows ...string) func() {
		return func() { write(s.t, store, signal, at, first, n, windows...) }
	}
	all := func(of ...func()) func() {
		return func() {
			for _, f := range of {
				f()
			}
		}
	}
	return []struct {
		write func()
		after time.Duration
	}{
		{all(w("metrics", hour, 0, 4, "", "1h"), w("metrics", hour, 4, 4, "", "1h"), w("metrics", hour.Add(time.Hour), 8, 4, "", "1h"), w("metrics", hour.Add(time.Hour), 12, 4)), 2 * time.Hour},
		{all(w("metrics", hour, 4, 4, "", "1h"), w("metrics", hour, 16, 4, "1h")), time.Hour}, // one comes again, one late
		{w("metrics", hour, 0, 4, "", "1h"), 2 * day},
		{w("metrics", hour.Add(time.Hour), 12, 4), 29 * day}, // comes again: raw points are too old now
		{w("metrics", hour, 4, 4, "", "1h"), 40 * day},       // all are
	}
}

// want is what the lake holds behind each step, after the passes.
var want = [][]int64{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
	{1, 3, 5, 7, 9, 11, 16, 17, 18, 19},
	{},
}

// run tells the story to its end with one worker after another: next returns who makes the next pass. After each step two more passes of one that nothing happens to
// make the lake clean, and what it holds exact. Between passes readers that ask have each row at most once, and all that retention does not take.
func (s *story) run(store *memstore.Store, next func() *worker) {
	store.Now = func() time.Time { return s.clock }
	epoch := int64(1000)
	for i, step := range s.steps(store) {
		s.step = i
		step.write()
		s.clock = s.clock.Add(step.after)
		for range 2 {
			w := next()
			_, _ = w.Pass(s.t.Context(), "metrics", s.clock)
			s.readable(store, i)
		}
		for range 2 {
			epoch++
			w := s.worker(store, epoch)
			_, err := w.Pass(s.t.Context(), "metrics", s.clock)
			require.NoError(s.t, err)
			require.Empty(s.t, w.events.failed)
		}
		require.ElementsMatch(s.t, want[i], globbed(s.t, store, "metrics"), "step %d", i)
		clean(s.t, store)
		s.exactTable(store)
	}
	require.Empty(s.t, list(s.t, store, lakestore.ChangesDir))
}

// readable says that a reader has no row twice, and none is missing that stays.
func (s *story) readable(store lakestore.Store, step int) {
	got := exact(s.t, store, "metrics")
	seen := map[int64]bool{}
	for _, id := range got {
		require.False(s.t, seen[id], "step %d: row %d is there twice", step, id)
		seen[id] = true
	}
	for _, id := range want[step] {
		require.True(s.t, seen[id], "step %d: row %d is missing", step, id)
	}
	s.readableTable(store)
}

// killer makes a worker die at its n-th step: before the request, or after it was done and before it was answered. Nothing it asks later happens.
type killer struct {
	mu   sync.Mutex // footers are read side by side
	left int
	dead bool
}

func (k *killer) step(_, _ string, after bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return memstore.ErrFault
	}
	if k.left--; k.left < 0 {
		k.dead = true
		return memstore.ErrFault
	}
	return nil
}

// The worker is killed at every step that there is, and the next one goes on.
func TestKilledAtEveryStep(t *testing.T) {
	points := 0
	for n := 0; ; n++ {
		s := newStory(t)
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
		k.dead = false
	}
	t.Logf("%d points of death", points)
	assert.Greater(t, points, 200)
}

// Workers die again and again, at random.
func TestKilledAgainAndAgain(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := newStory(t)
		store := memstore.New()
		epoch := int64(0)
		s.run(store, func() *worker {
			epoch++
			k := &killer{left: r.IntN(60)}
			return s.worker(store.View(k.step), epoch)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// sleeper suspends a worker at its n-th step, until it is woken.
type sleeper struct {
	left   atomic.Int64  // footers are read side by side
	asleep chan struct{} // closed when it sleeps
	wake   chan struct{}
}

func (k *sleeper) step(_, _ string, _ bool) error {
	if k.left.Add(-1) == -1 {
		close(k.asleep)
		<-k.wake
	}
	return nil
}

// A worker is suspended at every step that there is. Its lease ends, another one takes over and does all the work, the exporter goes on; then it wakes up and does what
// it was about to do.
//
// Every fifth of them learns then that its lease is over. The others never do, and go on with what they knew: nothing rests on the lease.
func TestSuspendedAtEveryStep(t *testing.T) {
	points := 0
	for n := 0; ; n++ {
		slept := suspended(t, newStory(t), n, n%5 == 0)
		if t.Failed() {
			t.Fatalf("suspended at step %d", n)
		}
		if !slept {
			points = n
			break
		}
	}
	t.Logf("%d points of sleep", points)
	assert.Greater(t, points, 200)
}

// suspended tells the story with a worker that sleeps at step n, of all steps of its passes.
func suspended(t *testing.T, s *story, n int, learns bool) (slept bool) {
	store := memstore.New()
	k := &sleeper{asleep: make(chan struct{}), wake: make(chan struct{})}
	k.left.Store(int64(n))
	epoch := int64(0)
	var wg sync.WaitGroup
	woken := 0
	s.run(store, func() *worker {
		epoch++
		if slept {
			if woken++; woken == 3 { // it slept through some passes of others
				close(k.wake)
				wg.Wait()
			}
			return s.worker(store, epoch)
		}
		w := s.worker(store.View(k.step), epoch)
		done := make(chan struct{})
		clock := s.clock
		wg.Go(func() {
			defer close(done)
			_, _ = w.Pass(t.Context(), "metrics", clock)
		})
		select {
		case <-done:
			return s.worker(store, epoch) // which has nothing to do any more
		case <-k.asleep:
			slept = true
			if learns {
				close(w.lost)
			}
			epoch++
			return s.worker(store, epoch)
		}
	})
	if slept && woken < 3 {
		close(k.wake)
		wg.Wait()
		s.readable(store, len(want)-1)
		_, err := s.worker(store, 9999).Pass(t.Context(), "metrics", s.clock)
		require.NoError(t, err)
		assert.Empty(t, globbed(t, store, "metrics"), fmt.Sprint("woken at the end, point ", n))
		clean(t, store)
	}
	return slept
}
