package seal_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/seal"
)

func Example() {
	sealed := seal.Seal([]byte("a request"))
	value, err := seal.Open(sealed)
	fmt.Println(string(value), err)
	sealed[15] ^= 1
	_, err = seal.Open(sealed)
	fmt.Println(err)
	// Output:
	// a request <nil>
	// the value does not match its checksum
}

// No single changed bit, cut or zeroed block of a sealed value is taken for the value.
func TestEveryChangeIsFound(t *testing.T) {
	for _, value := range [][]byte{nil, {0}, []byte(`{"offset": 17}`), bytes.Repeat([]byte("payload"), 300)} {
		sealed := seal.Seal(value)
		opened, err := seal.Open(sealed)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(value, opened))
		for bit := range len(sealed) * 8 {
			b := bytes.Clone(sealed)
			b[bit/8] ^= 1 << (bit % 8)
			_, err := seal.Open(b)
			require.ErrorIs(t, err, seal.ErrDamaged, "bit %d", bit)
		}
		for n := 1; n < len(sealed); n++ {
			_, err := seal.Open(sealed[:n])
			require.ErrorIs(t, err, seal.ErrDamaged, "cut at %d", n)
		}
		_, err = seal.Open(make([]byte, len(sealed)))
		require.ErrorIs(t, err, seal.ErrDamaged)
	}
}

// Values of an earlier release are readable: a queue's protobuf, offsets as JSON, states of processors.
func TestUnsealedValuesStayReadable(t *testing.T) {
	for _, value := range [][]byte{nil, {}, {1, 0, 0, 0}, []byte("PSTK\x01 and so on"), []byte(`[{"Fingerprint": 1}]`), {0x0a, 0x82, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		opened, err := seal.Open(value)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(value, opened))
	}
}
