package jaegerapi

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap/zaptest"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// Milliseconds that are no time of the store are refused like such microseconds: as nanoseconds they would be another time.
func TestTimesBeyondTheStoreAreRefused(t *testing.T) {
	_, err := parseTime(url.Values{"end": {"9000000000001"}}, "end")
	require.ErrorContains(t, err, "unable to parse param 'end'")
	last, err := parseTime(url.Values{"end": {"9000000000000"}}, "end")
	require.NoError(t, err)
	assert.Equal(t, last, time.Unix(0, last.UnixNano()))
}

// One trace alone may have more spans than are looked at.
func TestTheGraphOfServicesIsBounded(t *testing.T) {
	g := newGraph(0)
	g.most = 3
	for i := range 6 {
		require.NoError(t, g.add("one", fmt.Sprint(i%3), "", "shop"))
	}
	require.ErrorAs(t, g.add("one", "3", "", "shop"), new(*store.CostError))
	assert.Len(t, g.of, 3)
}

// The names of fields are remembered so that spans share them, not for all spans that a trace ever had.
func TestRememberedNamesAreBounded(t *testing.T) {
	s, err := store.Open(store.Settings{Directory: t.TempDir(), Retention: 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zaptest.NewLogger(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	td := ptrace.NewTraces()
	const spans, each = 300, 80
	for i := range spans {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutInt("service.name", int64(i/10)) // 800 names of each stream: the store makes 900 of them fields
		span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{15: 1})
		span.SetSpanID(pcommon.SpanID{6: byte(i >> 8), 7: byte(i)})
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		for j := range each {
			span.Attributes().PutStr(fmt.Sprintf("name-%d-%d", i, j), "x")
		}
	}
	_, err = s.AddTraces(t.Context(), td, store.Batch{Received: time.Now(), TenantOf: func(pcommon.Map) string { return "acme" }})
	require.NoError(t, err)
	require.NoError(t, s.Flush(t.Context()))
	id := fmt.Sprintf("%032x", 1)
	c, names := newCollector([]string{id}, spans, mostBytes), map[string]string{}
	err = s.Run(t.Context(), store.Query{Text: "*", View: store.View{All: true}, Signal: store.Traces}, func(b *store.Block) error {
		err := collect(b, c, names)
		assert.LessOrEqual(t, len(names), mostKept+len(b.Columns()))
		return err
	})
	require.NoError(t, err)
	rows, _ := c.rowsOf(0)
	require.Len(t, rows, spans)
	for _, r := range rows {
		assert.GreaterOrEqual(t, len(r.fields), each)
		for _, f := range r.fields {
			assert.NotEmpty(t, f.name)
		}
	}
}
