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
		live, roots, floor uint64
		want               int
	}{
		{live: 100 * mib, floor: 500 * mib, want: 400},
		{live: 100 * mib, roots: 100 * mib, floor: 500 * mib, want: 200},
		{live: 250 * mib, floor: 500 * mib, want: 100},
		{live: 600 * mib, floor: 500 * mib, want: 100},
		{live: 1, floor: 500 * mib, want: 1000},
		{live: 0, floor: 500 * mib, want: 1000},
		{live: 0, floor: 0, want: 100},
	} {
		assert.Equal(t, c.want, heapfloor.Percent(c.live, c.roots, c.floor), "%+v", c)
	}
}

// The heap never grows beyond what Go's default allows, or the floor.
func TestAHeapAboveTheFloorGrowsAsByDefault(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		live, roots, floor := r.Uint64N(1<<34), r.Uint64N(1<<26), r.Uint64N(1<<31)
		next := live + uint64(math.Floor(float64(live+roots)*float64(heapfloor.Percent(live, roots, floor))/100))
		assert.LessOrEqual(t, next, max(2*live+roots, floor), "live %d, roots %d, floor %d", live, roots, floor)
	}
}

var sink []byte

// collections counts those during which so many MiB of garbage are made.
func collections(garbage int) uint32 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range garbage * 16 {
		sink = make([]byte, mib/16)
	}
	runtime.ReadMemStats(&after)
	return after.NumGC - before.NumGC
}

// Not parallel: GOGC is the process's.
func TestASmallHeapIsCollectedSeldom(t *testing.T) {
	t.Cleanup(func() { heapfloor.Keep(0) })
	often := collections(400)
	heapfloor.Keep(100 * mib)
	collections(100) // until the first collection the live size is unknown
	seldom := collections(400)
	assert.Less(t, seldom, often/2)
	heapfloor.Keep(0)
	assert.Greater(t, collections(400), often/2)
}

func Example() {
	// 100 MiB live, and a floor of 500: the heap may grow by 400 percent.
	fmt.Println(heapfloor.Percent(100<<20, 0, 500<<20))
	// Output: 400
}
