package heapfloor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/providers/profileprovider/internal/heapfloor"
)

const mib = 1 << 20

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		live, roots, floor, ceiling uint64
		want                        int
	}{
		{live: 100 * mib, floor: 500 * mib, want: 400},
		{live: 100 * mib, roots: 100 * mib, floor: 500 * mib, want: 200},
		{live: 250 * mib, floor: 500 * mib, want: 100},
		{live: 600 * mib, floor: 500 * mib, want: 100},
		{live: 1, floor: 500 * mib, want: 1000},
		{live: 0, floor: 500 * mib, want: 1000},
		{live: 0, floor: 0, want: 100},
		{live: 280 * mib, ceiling: 504 * mib, want: 80},
		{live: 280 * mib, ceiling: 600 * mib, want: 100},
		{live: 280 * mib, roots: 10 * mib, ceiling: 425 * mib, want: 50},
		{live: 480 * mib, ceiling: 504 * mib, want: 25},
		{live: 600 * mib, ceiling: 504 * mib, want: 25},
		{live: 100 * mib, floor: 500 * mib, ceiling: 400 * mib, want: 300},
	} {
		assert.Equal(t, c.want, heapfloor.Bounds{Floor: c.floor, Ceiling: c.ceiling}.Percent(c.live, c.roots), "%+v", c)
	}
}

// The heap never grows beyond what Go's default allows, or the floor.
func TestAHeapAboveTheFloorGrowsAsByDefault(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		live, roots, floor := r.Uint64N(1<<34), r.Uint64N(1<<26), r.Uint64N(1<<31)
		next := live + uint64(math.Floor(float64(live+roots)*float64(heapfloor.Bounds{Floor: floor}.Percent(live, roots))/100))
		assert.LessOrEqual(t, next, max(2*live+roots, floor), "live %d, roots %d, floor %d", live, roots, floor)
	}
}

// Garbage does not reach beyond the ceiling while four fifths of it live.
func TestGarbageStaysBelowTheCeiling(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		live, floor, ceiling := r.Uint64N(1<<34), r.Uint64N(1<<31), 1+r.Uint64N(1<<34)
		next := live + uint64(math.Floor(float64(live)*float64(heapfloor.Bounds{Floor: floor, Ceiling: ceiling}.Percent(live, 0))/100))
		if live <= ceiling/5*4 {
			assert.LessOrEqual(t, next, ceiling, "live %d, floor %d", live, floor)
		}
	}
}

// goal is the size at which Go means to end the next collection. How far it is missed depends on how busy the machine is.
func goal() uint64 {
	runtime.GC()
	s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// A limiter that looks at the heap while three fifths of its limit are live finds it below the limit, whatever garbage is made: by default it grows to
// six fifths. Not parallel: GOGC is the process's.
func TestGarbageAloneDoesNotReachALimit(t *testing.T) {
	t.Cleanup(func() { heapfloor.Keep(heapfloor.Bounds{}) })
	const limit = 100 * mib
	live := make([][]byte, limit*3/5/mib)
	for i := range live {
		live[i] = make([]byte, mib)
	}
	assert.Greater(t, goal(), uint64(limit), "by default")
	heapfloor.Keep(heapfloor.Bounds{Ceiling: limit / 10 * 9})
	assert.Eventually(t, func() bool { return goal() < limit }, time.Minute, time.Millisecond)
	runtime.KeepAlive(live)
}

// Not parallel: GOGC is the process's.
func TestASmallHeapIsCollectedSeldom(t *testing.T) {
	t.Cleanup(func() { heapfloor.Keep(heapfloor.Bounds{}) })
	assert.Less(t, goal(), uint64(20*mib))
	heapfloor.Keep(heapfloor.Bounds{Floor: 100 * mib})
	often := func() bool { return goal() < 20*mib }
	assert.Eventually(t, func() bool { return !often() }, time.Minute, time.Millisecond)
	heapfloor.Keep(heapfloor.Bounds{})
	assert.Eventually(t, often, time.Minute, time.Millisecond)
}

func Example() {
	// 100 MiB live, and a floor of 500: the heap may grow by 400 percent.
	fmt.Println(heapfloor.Bounds{Floor: 500 << 20}.Percent(100<<20, 0))
	// Output: 400
}
