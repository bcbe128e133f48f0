package searchapi

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// A query that is taken stays within its brackets: what follows it holds for all of it, and there is no pipe.
func FuzzFilter(f *testing.F) {
	f.Add("a or b", "service.name", "x")
	f.Add("a) or (b", `a"b`, `c") or *`)
	f.Add("a # ) comment", "\xff", "\x00`")
	f.Add("* | delete", "", "")
	f.Add(`"a`, "_time", "1h")
	a := &API{Bounds: bounded.Bounds{MaxLength: 1 << 20}}
	f.Fuzz(func(t *testing.T, query, field, value string) {
		text, err := a.filter("query", query, map[string]any{field: value})
		if err != nil {
			return
		}
		require.NoError(t, store.CheckFilter(text), "%s", text)
	})
}

// What nobody waits for any more is not compared.
func TestAComparisonEndsWithItsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	keys := []correlated{{Key: "a"}}
	require.NoError(t, compareAll(ctx, keys, nil, nil, minutes{}))
	require.Equal(t, "no_metric", keys[0].Reason)
	cancel()
	keys[0].Reason = ""
	require.ErrorIs(t, compareAll(ctx, keys, nil, nil, minutes{}), context.Canceled)
	require.Empty(t, keys[0].Reason)
}
