package jaegerapi

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// Whatever a client sends, it is refused, or becomes a filter: no text ends its quotes and brings LogsQL of its own, such as a pipe.
func FuzzParseSearch(f *testing.F) {
	for _, seed := range []string{
		`service=web&operation=GET+%2F&tags=%7B%22error%22%3A%22true%22%7D&minDuration=1ms&limit=20`, `service=a"}+|+delete+{"&tag=a")+or+*+(:b`, "service=%ff%00\\&tags=a%3D%22%5C%22", `service=a&tags=%7B%22%22%3A1%7D`,
		`service=a&start=1&end=2&lookback=2d`, `traceID=1&traceID=2`, "service=`%0a#&operation=%0a%23+|",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		s, err := parseSearch(form, time.Unix(1_700_000_000, 0))
		if err != nil {
			return
		}
		require.True(t, s.limit > 0 && s.limit <= mostTraces)
		if len(s.ids) > 0 {
			return
		}
		require.False(t, s.start.After(s.end))
		text := s.filter(func(a string) string { return strings.Clone(a) })
		require.NoError(t, store.CheckFilter(text), "%s", text)
	})
}
