package rollup

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// An index against a map: the same keys have the same positions, in whatever order they are added, removed and looked up. Few low bits
// make fingerprints and probe sequences collide.
func TestIndexAgainstMap(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		keys := 1 + rnd.Uint64N(600)
		key := func() streamkey.Key {
			n := rnd.Uint64N(keys)
			return streamkey.Key{Hi: n, Lo: n % (1 + keys/(1+seed%4))}
		}
		var ix index
		var free []uint32
		want := map[streamkey.Key]uint32{}
		for range 3000 {
			k := key()
			place, ok := ix.find(k)
			known, there := want[k]
			require.Equal(t, there, ok, "seed %d", seed)
			if there {
				require.Equal(t, known, place, "seed %d", seed)
			}
			candidate := ix.candidate(k)
			require.False(t, ix.is(candidate, k) && (!there || candidate-1 != known), "seed %d", seed)
			require.False(t, there && candidate == 0, "what is there is a candidate, or another with its fingerprint is")
			switch {
			case there && rnd.IntN(3) == 0:
				ix.remove(place)
				delete(want, k)
				free = append(free, place)
			case !there && len(free) > 0:
				ix.put(k, free[len(free)-1])
				want[k], free = free[len(free)-1], free[:len(free)-1]
			case !there:
				want[k] = ix.keys.n
				ix.put(k, ix.keys.n)
			}
			require.Equal(t, len(want), ix.used)
		}
	}
}

// Without gaps: the last key moves to the position of a removed one.
func TestIndexWithoutGaps(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var ix index
	var want []streamkey.Key
	for range 20_000 {
		if k := (streamkey.Key{Hi: rnd.Uint64N(500), Lo: rnd.Uint64N(3)}); len(want) < 300 && rnd.IntN(2) == 0 {
			if _, ok := ix.find(k); !ok {
				ix.put(k, ix.keys.n)
				want = append(want, k)
			}
		} else if len(want) > 0 {
			place := rnd.Uint32N(uint32(len(want)))
			last := ix.removeAndFill(place)
			require.EqualValues(t, len(want)-1, last)
			want[place] = want[last]
			want = want[:last]
		}
		require.EqualValues(t, len(want), ix.keys.n)
		if len(want) > 0 {
			place := rnd.Uint32N(uint32(len(want)))
			got, ok := ix.find(want[place])
			require.True(t, ok)
			require.Equal(t, place, got)
		}
	}
}

// A sender that repeats its streams in the same order is followed without a look into the table.
func TestIndexFollowsTheOrder(t *testing.T) {
	var ix index
	keys := make([]streamkey.Key, 1000)
	for i := range keys {
		keys[i] = streamkey.StringAttribute("id", fmt.Sprint(i))
		ix.put(keys[i], uint32(i))
	}
	_, ok := ix.find(keys[0])
	require.True(t, ok)
	clear(ix.entries) // so the table would not find them
	for i, k := range keys[1:] {
		place, ok := ix.find(k)
		require.True(t, ok)
		require.EqualValues(t, i+1, place)
	}
}
