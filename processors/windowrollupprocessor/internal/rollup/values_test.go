package rollup

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// randomValues has all types, texts that repeat and texts that don't, and one that is larger than a piece of memory.
func randomValues(rnd *rand.Rand, i int) []byte {
	m := pcommon.NewMap()
	for k := range rnd.IntN(8) {
		name := fmt.Sprint(k)
		switch rnd.IntN(6) {
		case 0:
			m.PutInt(name, rnd.Int64()-rnd.Int64())
		case 1:
			m.PutDouble(name, rnd.NormFloat64())
		case 2:
			m.PutBool(name, rnd.IntN(2) == 0)
		case 3:
			m.PutStr(name, fmt.Sprint("only-", i, k))
		default:
			m.PutStr(name, strings.Repeat("shared", rnd.IntN(4)))
		}
	}
	if rnd.IntN(200) == 0 {
		m.PutStr("large", strings.Repeat("x", textChunk+i))
	}
	var e attributeEncoder
	_, values := e.encode(m, nil)
	return values
}

// Whatever was packed and stored is unpacked again, while other texts are added, removed and moved; at the end nothing is held.
func TestPackedTexts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	s := &State{values: newValues(), descriptors: newDescriptors(), names: newInterner(), idents: newInterner(), metrics: newInterner()}
	sh := &shard{}
	want := map[uint32]string{}
	moved := 0
	for i := range 20_000 {
		if len(want) < 500 && rnd.IntN(2) == 0 {
			encoded := randomValues(rnd, i)
			ref, ok := sh.texts.put(s.values.pack(nil, encoded))
			require.True(t, ok)
			place := sh.slots.n
			if last := len(sh.free) - 1; last >= 0 {
				place, sh.free = sh.free[last], sh.free[:last]
			} else {
				sh.slots.grow()
			}
			*sh.slots.at(place) = slot{values: ref}
			want[place] = string(encoded)
			continue
		}
		for place := range want {
			s.values.drop(textAt(sh.texts.chunks, sh.slots.at(place).values))
			sh.texts.drop(sh.slots.at(place).values)
			sh.slots.at(place).descriptor = freeSlot
			sh.free = append(sh.free, place)
			delete(want, place)
			break
		}
		if sh.texts.wasteful() {
			sh.moveTexts()
			moved++
			for place, encoded := range want {
				require.Equal(t, encoded, string(s.values.unpack(nil, textAt(sh.texts.chunks, sh.slots.at(place).values))))
			}
		}
	}
	require.Positive(t, moved)
	require.NotEmpty(t, s.values.ids, "texts were shared")
	for place, encoded := range want {
		text := textAt(sh.texts.chunks, sh.slots.at(place).values)
		require.Equal(t, encoded, string(s.values.unpack(nil, text)))
		s.values.drop(text)
	}
	require.Empty(t, s.values.ids)
}

func TestFullTexts(t *testing.T) {
	full := texts{chunks: make([][]byte, maxChunks)}
	_, ok := full.put([]byte("a"))
	require.False(t, ok)
}
