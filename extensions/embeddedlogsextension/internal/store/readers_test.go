package store_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// While there is nothing to give way to, a query reads with all CPUs, unless it says otherwise.
func TestReaders(t *testing.T) {
	calm := false
	set := settings(t, t.TempDir())
	set.Readers, set.Calm = 1, func() bool { return calm }
	s, err := store.Open(set)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	_, err = s.AddLogs(t.Context(), records("checkout", 30), at("acme", 1))
	require.NoError(t, err)
	require.NoError(t, s.Flush(t.Context()))
	for _, is := range []bool{false, true} {
		calm = is
		all := 1
		if calm {
			all = runtime.GOMAXPROCS(0)
		}
		for text, readers := range map[string]int{
			`*`: all, ` {service.name="checkout"} served | sort by (_time desc) limit 7`: all, "# a comment\nserved": all, `options (parallel_readers=2) served`: 2,
		} {
			p, err := s.Prepare(store.Query{Text: text, View: everything})
			require.NoError(t, err, text)
			assert.Equal(t, readers, p.Query.GetParallelReaders(1), text)
		}
		assert.Len(t, rows(t, s, store.Query{Text: `{service.name="checkout"} served | sort by (_time desc) limit 7`, View: everything}), 7)
		assert.Equal(t, "30", count(t, s, store.Query{Text: `served`, View: everything}))
		_, err := s.Prepare(store.Query{Text: `served | nothing`, View: everything})
		assert.ErrorContains(t, err, "nothing")
		assert.NotContains(t, err.Error(), "parallel_readers")
	}
}
