package jaegerapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// 500 000 spans of 50 000 traces over ten hours, of five services.
func BenchmarkQueries(b *testing.B) {
	s := newServer(b, nil)
	const traces, spansOf, batch = 50_000, 10, 500
	services := []string{"web", "carts", "pay", "stock", "mail"}
	for first := 0; first < traces; first += batch {
		td := ptrace.NewTraces()
		for n := first; n < first+batch; n++ {
			id := pcommon.TraceID{1, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}
			start := now.Add(-10*time.Hour + time.Duration(n)*720*time.Millisecond)
			for i := range spansOf {
				rs := td.ResourceSpans().AppendEmpty()
				rs.Resource().Attributes().PutStr("service.name", services[i%len(services)])
				sp := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
				sp.SetTraceID(id)
				sp.SetSpanID(pcommon.SpanID{1, 4: byte(n >> 16), 5: byte(n >> 8), 6: byte(n), 7: byte(i)})
				if i > 0 {
					sp.SetParentSpanID(pcommon.SpanID{1, 4: byte(n >> 16), 5: byte(n >> 8), 6: byte(n), 7: byte(i - 1)})
				}
				sp.SetName("GET /" + services[n%len(services)])
				sp.SetKind(ptrace.SpanKindServer)
				sp.SetStartTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(i) * time.Millisecond)))
				sp.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(i*2) * time.Millisecond)))
				sp.Attributes().PutInt("http.response.status_code", int64(200+n%7))
				if n%1000 == 0 {
					sp.Status().SetCode(ptrace.StatusCodeError)
				}
			}
		}
		s.addUnflushed("acme", td)
	}
	require.NoError(b, s.store.Flush(b.Context()))
	for name, path := range map[string]string{
		"services": "/api/services", "operations": "/api/services/web/operations", "trace": "/api/traces/0100000000000000000000000000abcd",
		"search": "/api/traces?service=web&limit=20&lookback=12h", "errors": "/api/traces?service=web&limit=20&lookback=12h&tags=error%3Dtrue", "dependencies": "/api/dependencies",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				s.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
				if w.Code != http.StatusOK {
					b.Fatal(w.Body.String())
				}
			}
		})
	}
}
