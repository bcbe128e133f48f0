package searchapi

import (
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
