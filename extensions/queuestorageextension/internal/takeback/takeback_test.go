package takeback_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstockhq/penstock/extensions/queuestorageextension/internal/takeback"
)

// encode writes the queue's message: sizes 7 and 8, then the indexes.
func encode(read, write uint64, dispatched ...uint64) []byte {
	var b []byte
	for number, value := range []uint64{1: 7, 2: 8, 3: read, 4: write} {
		if number > 0 {
			b = protowire.AppendTag(b, protowire.Number(number), protowire.Fixed64Type)
			b = protowire.AppendFixed64(b, value)
		}
	}
	if len(dispatched) > 0 {
		b = protowire.AppendTag(b, 5, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(8*len(dispatched)))
		for _, index := range dispatched {
			b = protowire.AppendFixed64(b, index)
		}
	}
	return b
}

func TestMovesKeepOrderAndCloseGaps(t *testing.T) {
	for name, c := range map[string]struct {
		read       uint64
		dispatched []uint64
		moves      []takeback.Move
		readAfter  uint64
	}{
		"none in flight":     {5, nil, nil, 5},
		"all together":       {5, []uint64{4, 3}, nil, 3},
		"one far back":       {100, []uint64{7}, []takeback.Move{{From: 7, To: 99}}, 99},
		"two gaps":           {10, []uint64{2, 9, 5}, []takeback.Move{{From: 5, To: 8}, {From: 2, To: 7}}, 7},
		"from the beginning": {2, []uint64{0, 1}, nil, 0},
	} {
		state, err := takeback.Parse(encode(c.read, 200, c.dispatched...))
		require.NoError(t, err, name)
		var moves []takeback.Move
		for {
			move, ok := state.NextMove()
			if !ok {
				break
			}
			moves = append(moves, move)
			state = state.After(move)
		}
		assert.Equal(t, c.moves, moves, name)
		state.Rewind()
		assert.Equal(t, encode(c.readAfter, 200), state.Append(nil), name)
	}
}

// However far the moves get, the stored requests are the same, none is overwritten, and those in flight are the ones noted.
func TestMovesNeverLoseARequest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		read := 1 + random.Uint64N(40)
		stored := map[uint64]string{}
		var dispatched []uint64
		for index := range read {
			if random.IntN(3) == 0 {
				dispatched = append(dispatched, index)
				stored[index] = string(rune('a' + index))
			}
		}
		before := slices.Sorted(maps.Values(stored))
		random.Shuffle(len(dispatched), func(i, j int) { dispatched[i], dispatched[j] = dispatched[j], dispatched[i] })
		state, err := takeback.Parse(encode(read, 100, dispatched...))
		require.NoError(t, err)
		for steps := 0; ; steps++ {
			require.LessOrEqual(t, steps, len(dispatched))
			assert.Equal(t, slices.Sorted(maps.Keys(stored)), state.Dispatched())
			move, ok := state.NextMove()
			if !ok {
				break
			}
			require.NotContains(t, stored, move.To)
			require.Greater(t, move.To, move.From)
			stored[move.To] = stored[move.From]
			delete(stored, move.From)
			old := state.Dispatched()
			next := state.After(move)
			assert.Equal(t, old, state.Dispatched(), "a failed move leaves the state as it was")
			state = next
		}
		assert.Equal(t, before, slices.Sorted(maps.Values(stored)))
		state.Rewind()
		reparsed, err := takeback.Parse(state.Append(nil))
		require.NoError(t, err)
		assert.Empty(t, reparsed.Dispatched())
	}
}

func TestParseRefuses(t *testing.T) {
	for name, encoded := range map[string][]byte{
		"truncated tag":              {0x80},
		"truncated value":            encode(1, 2)[:12],
		"read past write":            encode(3, 2),
		"in flight and not yet read": encode(3, 9, 3),
		"index as varint":            {3<<3 | byte(protowire.VarintType), 1},
		"list of odd length":         {5<<3 | byte(protowire.BytesType), 3, 1, 2, 3},
		"read index as list":         {3<<3 | byte(protowire.BytesType), 0},
	} {
		_, err := takeback.Parse(encoded)
		assert.ErrorIs(t, err, takeback.ErrMalformed, name)
	}
}

func TestParseKeepsFieldsOfLaterVersions(t *testing.T) {
	later := protowire.AppendTag(nil, 99, protowire.BytesType)
	later = protowire.AppendString(later, "later")
	state, err := takeback.Parse(append(encode(1, 2, 0), later...))
	require.NoError(t, err)
	state.Forget(0)
	state.Forget(7)
	assert.Empty(t, state.Dispatched())
	known := encode(1, 2)
	assert.Equal(t, append(known[:18:18], append(later, known[18:]...)...), state.Append(nil),
		"the sizes, then what is unknown, then the indexes")
}

func FuzzParse(f *testing.F) {
	f.Add(encode(5, 9, 1, 4))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		state, err := takeback.Parse(encoded)
		if err != nil {
			return
		}
		again, err := takeback.Parse(state.Append(nil))
		require.NoError(t, err)
		assert.Equal(t, state.Dispatched(), again.Dispatched())
		assert.Equal(t, state.Append(nil), again.Append(nil))
	})
}
