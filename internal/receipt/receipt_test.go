package receipt_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/receipt"
)

func Example() {
	var n receipt.Note
	ctx := receipt.With(context.Background(), &n)
	receipt.Written(ctx, "logs", 0, 1234)
	receipt.Written(ctx, "logs", 0, 1235)
	receipt.Written(ctx, "logs", 3, 7)
	fmt.Println(n.ID())
	// Output: logs.0-1234-2.3-7-1
}

func TestAnIDSaysWhereTheRequestIs(t *testing.T) {
	var n receipt.Note
	ctx := receipt.With(t.Context(), &n)
	assert.Empty(t, n.ID(), "nothing was written")
	for p := range int32(32) {
		receipt.Written(ctx, "metrics", p, int64(p)*10)
		receipt.Written(ctx, "metrics", p, int64(p)*10+1)
	}
	signal, places, whole, err := receipt.Parse(n.ID())
	require.NoError(t, err)
	assert.Equal(t, "metrics", signal)
	assert.True(t, whole)
	assert.Len(t, places, 32)
	assert.Equal(t, receipt.Place{Partition: 3, First: 30, Records: 2}, places[3])

	receipt.Written(ctx, "metrics", 99, 1)
	_, places, whole, err = receipt.Parse(n.ID())
	require.NoError(t, err)
	assert.False(t, whole, "one place has no room")
	assert.Len(t, places, 32)
}

func TestWithoutANoteNothingIsNoted(t *testing.T) {
	receipt.Written(t.Context(), "logs", 0, 1)
	assert.False(t, receipt.Wanted(t.Context()))
}

// One record has one id.
func TestOtherSpellingsOfAnIdAreNone(t *testing.T) {
	for _, id := range []string{"logs.+0-0-1", "logs.00-0-1", "logs.0-0x1-1", "logs.0-0-01", "logs.0-9223372036854775807-1", "logs.0-0-0", "Logs.0-0-1", "logs.0-0-1.", " logs.0-0-1"} {
		_, _, _, err := receipt.Parse(id)
		assert.Error(t, err, id)
	}
}

func FuzzParse(f *testing.F) {
	for _, id := range []string{"logs.0-1-1", "traces.1-2-3.4-5-6.more", "logs", "x.0-1-1", "logs.0-1", "logs.-1-1-1", "logs." + strings.Repeat("1-1-1.", 40)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		signal, places, _, err := receipt.Parse(id)
		if err != nil {
			assert.Empty(t, signal)
			return
		}
		for _, p := range places {
			assert.True(t, p.Partition >= 0 && p.First >= 0 && p.Records > 0, id)
		}
	})
}
