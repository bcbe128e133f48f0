package cursor_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/cursor"
)

func encoded() []byte {
	b := binary.AppendVarint(nil, -5)
	b = binary.AppendUvarint(b, 1<<40)
	b = cursor.AppendBlock(b, "text")
	b = cursor.AppendBlock(b, []byte{1, 2})
	b = binary.LittleEndian.AppendUint64(b, 7)
	return append(b, 9)
}

func TestReads(t *testing.T) {
	r := cursor.New(append(encoded(), "rest"...))
	assert.EqualValues(t, -5, r.Varint())
	assert.EqualValues(t, 1<<40, r.Uvarint())
	assert.Equal(t, "text", r.String())
	assert.Equal(t, []byte{1, 2}, r.Block())
	assert.EqualValues(t, 7, r.Uint64())
	assert.EqualValues(t, 9, r.Byte())
	assert.Equal(t, "rest", string(r.Rest()))
	r.Skip(r.Rest()[2:])
	assert.Equal(t, "st", string(r.Rest()))
	assert.NoError(t, r.Err())
}

// Wherever the input ends, everything after that reads as zero, and the error says so.
func TestCut(t *testing.T) {
	for cut := range encoded() {
		r := cursor.New(encoded()[:cut])
		r.Varint()
		r.Uvarint()
		_ = r.String()
		r.Block()
		r.Uint64()
		assert.Zero(t, r.Byte())
		require.ErrorIs(t, r.Err(), cursor.ErrCorrupt)
		assert.Zero(t, r.Uvarint())
		assert.Nil(t, r.Rest())
	}
}

func ExampleReader_Fail() {
	r := cursor.New(cursor.AppendBlock(nil, "blue"))
	if color := r.String(); color != "red" {
		r.Fail("color")
	}
	fmt.Println(r.Err())
	// Output: color: corrupt encoding
}
