package repeat_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/repeat"
	"github.com/penstockhq/penstock/internal/streamkey"
)

func ExamplePoints() {
	points := repeat.New()
	mark := repeat.Mark(streamkey.StringAttribute("route", "/"), 10, 20, []byte("5"))
	first := points.Entry()
	fmt.Println(points.Again(mark, first), points.Again(mark, first)) // two pods in one request
	fmt.Println(points.Again(mark, points.Entry()))                   // the request is repeated
	// Output:
	// false false
	// true
}

// Every property that distinguishes two points changes the mark.
func TestMark(t *testing.T) {
	a, b := streamkey.StringAttribute("a", "1"), streamkey.StringAttribute("b", "1")
	marks := map[uint64]bool{}
	for _, m := range []uint64{
		repeat.Mark(a, 1, 2, []byte("v")), repeat.Mark(b, 1, 2, []byte("v")), repeat.Mark(a, 2, 2, []byte("v")), repeat.Mark(a, 1, 3, []byte("v")),
		repeat.Mark(a, 1, 2, []byte("w")), repeat.Mark(a, 2, 1, []byte("v")), repeat.Mark(streamkey.Key{Hi: a.Lo, Lo: a.Hi}, 1, 2, []byte("v")),
	} {
		marks[m] = true
	}
	assert.Len(t, marks, 7)
}

// Each of the last n points is found again, in another entry, and no more than 2n are remembered, also when the state is saved and
// read in between.
func TestTheLastPointsAreRemembered(t *testing.T) {
	const n = 64
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		points := repeat.New()
		points.Few(n)
		for mark := uint64(1); mark < 10*n; mark++ {
			require.False(t, points.Again(mark, points.Entry()))
			if rnd.IntN(20) == 0 {
				saved, read := points.Append(nil), repeat.New()
				rest, err := read.Decode(append(saved, "rest"...))
				require.NoError(t, err)
				require.Equal(t, "rest", string(rest))
				require.LessOrEqual(t, len(saved), 2*n*8+8)
				points = read
				points.Few(n)
			}
			back := min(uint64(rnd.IntN(n)), mark-1)
			require.True(t, points.Again(mark-back, points.Entry()), "seed %d: the %dth last of %d", seed, back, mark)
		}
		require.False(t, points.Again(1, points.Entry()), "forgotten")
	}
}

func FuzzDecode(f *testing.F) {
	points := repeat.New()
	points.Again(7, points.Entry())
	f.Add(points.Append(nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		read := repeat.New()
		rest, err := read.Decode(b)
		if err != nil {
			return
		}
		again := repeat.New()
		_, err = again.Decode(read.Append(nil))
		require.NoError(t, err)
		require.LessOrEqual(t, len(rest), len(b))
	})
}
