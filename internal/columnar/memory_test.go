package columnar

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Memory is zeroed, keeps its content while others come and go, and the waiting memory is bounded.
func TestRecycler(t *testing.T) {
	for seed := range uint64(8) {
		rnd, r := rand.New(rand.NewPCG(seed, 1)), newRecycler()
		type held struct {
			b    []byte
			fill byte
		}
		var all []held
		size := func() int { return rnd.IntN(1 << rnd.IntN(20)) }
		for i := range 300 {
			switch k := rnd.IntN(3); {
			case k == 0 || len(all) == 0:
				b := r.Allocate(size())
				require.Equal(t, len(b), bytes.Count(b, []byte{0}), "seed %d", seed)
				fill := byte(i%255) + 1
				copy(b, bytes.Repeat([]byte{fill}, len(b)))
				all = append(all, held{b, fill})
			case k == 1:
				h := &all[rnd.IntN(len(all))]
				before, n := len(h.b), size()
				h.b = r.Reallocate(n, h.b)
				require.Len(t, h.b, n)
				kept := min(before, n)
				require.Equal(t, kept, bytes.Count(h.b[:kept], []byte{h.fill}), "seed %d", seed)
				require.Equal(t, n-kept, bytes.Count(h.b[kept:], []byte{0}), "seed %d", seed)
				copy(h.b[kept:], bytes.Repeat([]byte{h.fill}, n-kept))
			default:
				i := rnd.IntN(len(all))
				require.Equal(t, len(all[i].b), bytes.Count(all[i].b, []byte{all[i].fill}), "seed %d: nobody else writes there", seed)
				r.Free(all[i].b)
				all[i] = all[len(all)-1]
				all = all[:len(all)-1]
			}
			require.LessOrEqual(t, r.idle, maxFree)
			if len(all) > 12 {
				r.Free(all[0].b)
				all = all[1:]
			}
		}
	}
}
