package heapfloor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

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

// A limiter that looks at the heap while three fifths of its limit are live sees it below the limit, whatever garbage is made: by default it grows to six fifths. Not parallel:
// GOGC is the process's.
func TestGarbageAloneDoesNotReachALimit(t *testing.T) {
	t.Cleanup(func() { heapfloor.Keep(heapfloor.Bounds{}) })
	const limit = 100 * mib
	most := func() (most uint64) {
		live := make([][]byte, limit*3/5/mib)
		for i := range live {
			live[i] = make([]byte, mib)
		}
		collections(100) // until the first collection the live size is unknown
		collections(100)
		var m runtime.MemStats
		for range 200 {
			litter(1)
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		runtime.KeepAlive(live)
		return most
	}
	heapfloor.Keep(heapfloor.Bounds{Ceiling: limit / 10 * 9})
	assert.Less(t, most(), uint64(limit))
	heapfloor.Keep(heapfloor.Bounds{})
	assert.Greater(t, most(), uint64(limit), "it is the ceiling that keeps it")
}

var sink []byte

// litter makes garbage of so many MiB.
func litter(garbage int) {
	for range garbage * 16 {
		sink = make([]byte, mib/16)
	}
}

// collections counts those during which so many MiB of garbage are made.
func collections(garbage int) uint32 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	litter(garbage)
	runtime.ReadMemStats(&after)
	return after.NumGC - before.NumGC
}

// Not parallel: GOGC is the process's.
func TestASmallHeapIsCollectedSeldom(t *testing.T) {
	t.Cleanup(func() { heapfloor.Keep(heapfloor.Bounds{}) })
	often := collections(400)
	heapfloor.Keep(heapfloor.Bounds{Floor: 100 * mib})
	collections(100) // until the first collection the live size is unknown
	seldom := collections(400)
	assert.Less(t, seldom, often/2)
	heapfloor.Keep(heapfloor.Bounds{})
	assert.Greater(t, collections(400), often/2)
}

func Example() {
	// 100 MiB live, and a floor of 500: the heap may grow by 400 percent.
	fmt.Println(heapfloor.Bounds{Floor: 500 << 20}.Percent(100<<20, 0))
	// Output: 400
}
