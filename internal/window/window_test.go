package window_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/window"
)

func TestAlign(t *testing.T) {
	for _, tt := range [][2]int64{{0, 0}, {9, 0}, {10, 10}, {19, 10}, {-1, -10}, {-10, -10}, {-11, -20}} {
		assert.Equal(t, tt[1], window.Align(tt[0], 10), "%d", tt[0])
	}
}

func TestSpecValidate(t *testing.T) {
	require.NoError(t, window.Spec{Size: time.Minute, Hop: time.Minute}.Validate())
	require.NoError(t, window.Spec{Size: time.Minute, Hop: 15 * time.Second}.Validate())
	require.ErrorContains(t, window.Spec{Hop: 1}.Validate(), "size must be above zero")
	require.ErrorContains(t, window.Spec{Size: 1}.Validate(), "hop must be above zero")
	require.ErrorContains(t, window.Spec{Size: 5, Hop: 2}.Validate(), "not a multiple")
	require.ErrorContains(t, window.Spec{Size: 5, Hop: 10}.Validate(), "not a multiple")
	assert.EqualValues(t, 5, window.GCD(15, 20))
}

// Every point goes to exactly one pane, panes come out once, oldest first, and only
// those that the mark has passed.
func TestPanesAgainstSortedList(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		const width = 10
		panes := window.NewPanes[[]int64](width)
		want := map[int64][]int64{}
		closed := int64(-1000)
		for range 200 {
			if rnd.IntN(10) == 0 {
				mark := closed + rnd.Int64N(40)
				last := int64(window.Never)
				for start, got := range panes.Take(mark) {
					require.Less(t, last, start)
					require.LessOrEqual(t, start+width, mark)
					require.Equal(t, want[start], got)
					delete(want, start)
					last = start
				}
				require.False(t, panes.Due(mark))
				for start := range want {
					require.Greater(t, start+width, mark)
				}
				closed = max(closed, mark)
			}
			at := closed + rnd.Int64N(100) - 20
			start := window.Align(at, width)
			value, fresh := panes.At(at)
			require.Equal(t, want[start] == nil, fresh)
			*value = append(*value, at)
			want[start] = append(want[start], at)
			require.Equal(t, len(want), panes.Len())
		}
		var starts []int64
		for start := range panes.All() {
			starts = append(starts, start)
		}
		require.True(t, slices.IsSorted(starts))
		if oldest, ok := panes.Oldest(); ok {
			require.Equal(t, starts[0], oldest)
		}
	}
}

func TestTakeLeftEarlyKeepsTheRest(t *testing.T) {
	panes := window.NewPanes[int](10)
	panes.At(5)
	panes.At(15)
	for range panes.Take(100) {
		break
	}
	assert.Equal(t, 1, panes.Len())
}

func TestWatermark(t *testing.T) {
	w := window.NewWatermark(100, 3)
	assert.EqualValues(t, window.Never, w.Mark())

	w.Observe(1, 1000)
	assert.EqualValues(t, 1000, w.Mark())
	w.Observe(2, 1050)
	assert.EqualValues(t, 1000, w.Mark(), "source 1 holds back")
	w.Observe(1, 990)
	w.Observe(2, 1100)
	assert.EqualValues(t, 1000, w.Mark(), "exactly the idle time behind is not idle")
	w.Observe(2, 1101)
	assert.EqualValues(t, 1101, w.Mark(), "source 1 is idle")
	w.Observe(3, 1020)
	assert.EqualValues(t, 1101, w.Mark(), "it never goes back")
	w.Observe(3, 1150)
	w.Observe(2, 1140)
	assert.EqualValues(t, 1140, w.Mark())
}

func TestWatermarkBoundsSources(t *testing.T) {
	w := window.NewWatermark(100, 3)
	for source := range uint64(50) {
		w.Observe(source+1, 1000)
	}
	assert.LessOrEqual(t, w.Sources(), 4, "three and the one that stands for the rest")
	w.Observe(1, 1050)
	w.Observe(2, 1050)
	w.Observe(3, 1050)
	assert.EqualValues(t, 1000, w.Mark())
	w.Observe(49, 1060)
	assert.EqualValues(t, 1050, w.Mark())
}

// Against the definition: the smallest of the newest times that are at most idle behind the newest of all, and never less than before.
func TestWatermarkAgainstDefinition(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		const idle = 50
		w := window.NewWatermark(idle, 100)
		newest := map[uint64]int64{}
		mark := int64(window.Never)
		for i := range int64(100) {
			source, at := rnd.Uint64N(6)+1, i*5+rnd.Int64N(60)
			w.Observe(source, at)
			if last, ok := newest[source]; !ok || at > last {
				newest[source] = at
			}
			if rnd.IntN(3) > 0 {
				continue
			}
			top := int64(window.Never)
			for _, at := range newest {
				top = max(top, at)
			}
			least := top
			for _, at := range newest {
				if top-at <= idle {
					least = min(least, at)
				}
			}
			mark = max(mark, least)
			require.Equal(t, mark, w.Mark(), "seed %d", seed)

			restored := window.NewWatermark(idle, 100)
			rest, err := restored.Decode(append(w.Append(nil), 7))
			require.NoError(t, err)
			require.Equal(t, []byte{7}, rest)
			require.Equal(t, w.Append(nil), restored.Append(nil))
			w = restored
		}
	}
}

func FuzzWatermarkDecode(f *testing.F) {
	w := window.NewWatermark(100, 3)
	w.Observe(1, 1000)
	w.Observe(2, 1010)
	f.Add(w.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := window.NewWatermark(100, 3)
		if _, err := w.Decode(b); err == nil {
			w.Observe(1, 5)
			w.Mark()
		}
	})
}

func Example() {
	panes := window.NewPanes[int](time.Minute)
	mark := window.NewWatermark(10*time.Minute, 100)
	add := func(source uint64, seconds int64) {
		t := seconds * int64(time.Second)
		count, _ := panes.At(t)
		*count++
		mark.Observe(source, t)
	}
	add(1, 10)
	add(1, 50)
	add(1, 130)
	add(2, 70) // out of order between sources: source 2 holds the watermark at 70 s

	for start, count := range panes.Take(mark.Mark()) {
		fmt.Printf("minute %d: %d points\n", start/int64(time.Minute), count)
	}
	// Output: minute 0: 2 points
}
