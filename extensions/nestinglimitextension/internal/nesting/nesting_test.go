package nesting_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/nesting"
)

// nest lies depth messages around inner, which counts as one more when it is not empty.
func nest(inner []byte, depth int) []byte {
	for range depth {
		inner = protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), inner)
	}
	return inner
}

func TestProtobufExceeds(t *testing.T) {
	scalar := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)
	broken := []byte{0xff}
	text := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), strings.Repeat("z\n", 5000))
	for name, c := range map[string]struct {
		message []byte
		limit   int
		want    bool
	}{
		"empty":                      {nil, 1, false},
		"flat":                       {scalar, 1, false},
		"at the limit":               {nest(scalar, 9), 10, false},
		"past the limit":             {nest(scalar, 10), 10, true},
		"deep, broken at the bottom": {nest(broken, 1000), 250, true},
		"deep, behind other fields":  {append(append([]byte{}, text...), nest(scalar, 1000)...), 250, true},
		"side by side":               {[]byte(strings.Repeat(string(nest(scalar, 9)), 1000)), 10, false},
		"text":                       {text, 16, false},
		"length past the end":        {[]byte{1<<3 | 2, 100, 1}, 1, false},
	} {
		assert.Equal(t, c.want, nesting.ProtobufExceeds(c.message, c.limit), name)
	}
}

func TestJSONExceeds(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"at the limit":     {`{"a":[[[1]]]}`, false},
		"past the limit":   {`{"a":[[[[1]]]]}`, true},
		"never closed":     {`[[[[[`, true},
		"in a string":      {`{"a":"[[[[[[\"[[[[["}`, false},
		"behind a string":  {`{"a\\":[[[[1]]]]}`, true},
		"side by side":     {`[[1],[2],[3],[4],[5]]`, false},
		"unbalanced, then": {`]]]][[[[`, false},
	} {
		assert.Equal(t, c.want, nesting.JSONExceeds([]byte(c.text), 4), name)
	}
}

// Whatever the bytes are: it ends, and a message that is a level deeper never counts as less deep.
func FuzzProtobufExceeds(f *testing.F) {
	f.Add(nest([]byte{8, 7}, 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		if nesting.ProtobufExceeds(b, 5) {
			assert.True(t, nesting.ProtobufExceeds(nest(b, 1), 6))
		}
	})
}

func Example() {
	fmt.Println(nesting.JSONExceeds([]byte(`{"a":[[1]]}`), 2))
	// Output: true
}
