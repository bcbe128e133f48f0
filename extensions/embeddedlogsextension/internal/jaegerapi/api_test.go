package jaegerapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap/zaptest"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/jaegerapi"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// server answers from a store that tests fill.
type server struct {
	t       testing.TB
	store   *store.Store
	mux     *http.ServeMux
	view    store.View
	reasons []string
	offset  int64
}

func newServer(t testing.TB, change func(*bounded.Bounds)) *server {
	t.Helper()
	s, err := store.Open(store.Settings{Directory: t.TempDir(), Retention: 7 * 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zaptest.NewLogger(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	srv := &server{t: t, store: s, mux: http.NewServeMux(), view: store.View{All: true}}
	b := bounded.Bounds{Timeout: time.Minute, MaxLength: 4096, Queries: gate.New(2, 2, func(context.Context, time.Duration) {}), Refused: func(r string) { srv.reasons = append(srv.reasons, r) }}
	if change != nil {
		change(&b)
	}
	api := &jaegerapi.API{Store: func() (*store.Store, error) { return s, nil }, ViewOf: func(*http.Request) store.View { return srv.view }, Bounds: b}
	for _, r := range api.Routes() {
		srv.mux.HandleFunc(r.Pattern, r.Handler)
	}
	return srv
}

// add stores spans of a tenant, which can be searched then.
func (s *server) add(tenant string, td ptrace.Traces) {
	s.t.Helper()
	s.addUnflushed(tenant, td)
	require.NoError(s.t, s.store.Flush(s.t.Context()))
}

func (s *server) addUnflushed(tenant string, td ptrace.Traces) {
	s.t.Helper()
	s.offset++
	_, err := s.store.AddTraces(s.t.Context(), td, store.Batch{At: store.Position{Log: "penstock.traces-0/x/0", Offset: s.offset}, Received: time.Now(), TenantOf: func(pcommon.Map) string { return tenant }})
	require.NoError(s.t, err)
}

// answer is Jaeger's, as the clients read it.
type answer struct {
	Data   json.RawMessage
	Total  int
	Errors []jaegerapi.Error

	Warnings []string
}

func (s *server) get(path string, form url.Values) (int, answer) {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+"?"+form.Encode(), nil))
	var a answer
	require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &a), w.Body.String())
	return w.Code, a
}

func (s *server) traces(path string, form url.Values) ([]jaegerapi.Trace, answer) {
	s.t.Helper()
	code, a := s.get(path, form)
	require.Equal(s.t, http.StatusOK, code, "%+v", a.Errors)
	var all []jaegerapi.Trace
	require.NoError(s.t, json.Unmarshal(a.Data, &all))
	return all, a
}

// ids searches, and returns the traces' ids.
func (s *server) ids(form url.Values) []string {
	s.t.Helper()
	found, _ := s.traces("/api/traces", form)
	ids := []string{}
	for _, t := range found {
		ids = append(ids, t.TraceID)
	}
	return ids
}

// span is one to be stored.
type span struct {
	trace, id, parent byte
	service, name     string
	kind              ptrace.SpanKind
	ago, takes        time.Duration
	change            func(ptrace.Span, pcommon.Map)
}

func traceID(n byte) string { return fmt.Sprintf("0a0b0c0d0e0f0000%016x", n) }
func spanID(n byte) string  { return fmt.Sprintf("%016x", n) }

var now = time.Now().Truncate(time.Second)

func spans(all ...span) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, s := range all {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", s.service)
		ss := rs.ScopeSpans().AppendEmpty()
		sp := ss.Spans().AppendEmpty()
		sp.SetTraceID(pcommon.TraceID{0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 15: s.trace})
		sp.SetSpanID(pcommon.SpanID{7: s.id})
		if s.parent != 0 {
			sp.SetParentSpanID(pcommon.SpanID{7: s.parent})
		}
		sp.SetName(s.name)
		sp.SetKind(s.kind)
		start := now.Add(-s.ago)
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
		sp.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(s.takes)))
		if s.change != nil {
			s.change(sp, rs.Resource().Attributes())
		}
	}
	return td
}

// shop is a trace of two services, with an error, an event and a link, and another without.
func shop() ptrace.Traces {
	return spans(
		span{trace: 1, id: 1, service: "web", name: "GET /cart", kind: ptrace.SpanKindServer, ago: time.Minute, takes: 300 * time.Millisecond, change: func(s ptrace.Span, r pcommon.Map) {
			r.PutStr("host.name", "web-1")
			s.Attributes().PutInt("http.status_code", 500)
			s.Attributes().PutStr("kind", "an attribute of a taken name")
			s.Status().SetCode(ptrace.StatusCodeError)
			s.Status().SetMessage("no cart")
			e := s.Events().AppendEmpty()
			e.SetName("exception")
			e.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Minute + time.Millisecond)))
			e.Attributes().PutStr("exception.type", "IOError")
			e.Attributes().PutInt("attempt", 3)
			e.Attributes().PutBool("exception.escaped", true)
			l := s.Links().AppendEmpty()
			l.SetTraceID(pcommon.TraceID{15: 9})
			l.SetSpanID(pcommon.SpanID{7: 8})
		}},
		span{trace: 1, id: 2, parent: 1, service: "carts", name: "load", kind: ptrace.SpanKindServer, ago: time.Minute - 10*time.Millisecond, takes: 20 * time.Millisecond},
		span{trace: 2, id: 3, service: "web", name: "GET /", kind: ptrace.SpanKindServer, ago: 2 * time.Minute, takes: time.Second, change: func(s ptrace.Span, _ pcommon.Map) {
			s.Status().SetCode(ptrace.StatusCodeOk)
		}},
	)
}

// The shape is Jaeger's: field by field as its query service writes such a trace.
func TestATraceHasJaegersShape(t *testing.T) {
	s := newServer(t, nil)
	s.add("acme", shop())
	began := now.Add(-time.Minute).UnixMicro()
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/traces/"+traceID(1)+"?prettyPrint=true", nil))
	require.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	id := traceID(1)
	assert.JSONEq(t, `{"total":0,"limit":0,"offset":0,"errors":null,"data":[{"traceID":"`+id+`","warnings":null,"processes":{
		"p1":{"serviceName":"web","tags":[{"key":"host.name","type":"string","value":"web-1"},{"key":"penstock_tenant","type":"string","value":"acme"}]},
		"p2":{"serviceName":"carts","tags":[{"key":"penstock_tenant","type":"string","value":"acme"}]}},
		"spans":[
		{"traceID":"`+id+`","spanID":"0000000000000001","operationName":"GET /cart","references":[{"refType":"FOLLOWS_FROM","traceID":"0000000000000009","spanID":"0000000000000008"}],
		 "startTime":`+strconv.FormatInt(began, 10)+`,"duration":300000,"processID":"p1","warnings":null,
		 "tags":[{"key":"http.status_code","type":"int64","value":500},{"key":"kind","type":"string","value":"an attribute of a taken name"},{"key":"span.kind","type":"string","value":"server"},
		  {"key":"otel.status_code","type":"string","value":"ERROR"},{"key":"error","type":"bool","value":true},{"key":"otel.status_description","type":"string","value":"no cart"}],
		 "logs":[{"timestamp":`+strconv.FormatInt(began+1000, 10)+`,"fields":[{"key":"event","type":"string","value":"exception"},{"key":"attempt","type":"int64","value":3},
		  {"key":"exception.escaped","type":"bool","value":true},{"key":"exception.type","type":"string","value":"IOError"}]}]},
		{"traceID":"`+id+`","spanID":"0000000000000002","operationName":"load","references":[{"refType":"CHILD_OF","traceID":"`+id+`","spanID":"0000000000000001"}],
		 "startTime":`+strconv.FormatInt(began+10000, 10)+`,"duration":20000,"processID":"p2","warnings":null,"tags":[{"key":"span.kind","type":"string","value":"server"}],"logs":[]}]}]}`, w.Body.String())
}

// What Grafana's data source sends (pkg/tsdb/jaeger): its health check and lists, a search in microseconds, tags as JSON, a trace with times in milliseconds, the graph.
func TestGrafanasRequests(t *testing.T) {
	s := newServer(t, nil)
	s.add("acme", shop())
	from, to := now.Add(-time.Hour), now
	code, a := s.get("/api/services", nil)
	assert.Equal(t, http.StatusOK, code)
	assert.JSONEq(t, `["carts","web"]`, string(a.Data))
	assert.Equal(t, 2, a.Total)
	_, a = s.get("/api/services/web/operations", nil)
	assert.JSONEq(t, `["GET /","GET /cart"]`, string(a.Data))

	search := url.Values{"service": {"web"}, "operation": {"GET /cart"}, "tags": {`{"error":"true","http.status_code":"500"}`}, "minDuration": {"100ms"}, "maxDuration": {"1.2s"},
		"limit": {"20"}, "start": {strconv.FormatInt(from.UnixMicro(), 10)}, "end": {strconv.FormatInt(to.UnixMicro(), 10)}}
	found, _ := s.traces("/api/traces", search)
	require.Len(t, found, 1)
	assert.Equal(t, traceID(1), found[0].TraceID)
	require.Len(t, found[0].Spans, 2, "a trace is whole, though one of its spans was searched")
	assert.Contains(t, found[0].Processes, found[0].Spans[1].ProcessID)

	millis := url.Values{"start": {strconv.FormatInt(from.UnixMilli(), 10)}, "end": {strconv.FormatInt(to.UnixMilli(), 10)}}
	found, _ = s.traces("/api/traces/"+traceID(1), millis)
	require.Len(t, found, 1)
	assert.Len(t, found[0].Spans, 2)
	code, a = s.get("/api/traces/"+traceID(7), nil)
	assert.Equal(t, http.StatusNotFound, code)
	assert.Equal(t, []jaegerapi.Error{{Code: 404, Msg: "trace not found"}}, a.Errors)

	_, a = s.get("/api/dependencies", url.Values{"endTs": {strconv.FormatInt(to.UnixMilli(), 10)}, "lookback": {"3600000"}})
	assert.JSONEq(t, `[{"parent":"web","child":"carts","callCount":1}]`, string(a.Data))
	assert.Empty(t, a.Errors, "Grafana takes any error for a failure")
}

// What Jaeger's UI sends beside that: operations of a kind, lookback, several ids, parameters that are nobody's.
func TestJaegerUIsRequests(t *testing.T) {
	s := newServer(t, nil)
	s.add("acme", shop())
	_, a := s.get("/api/operations", url.Values{"service": {"web"}, "spanKind": {"server"}})
	assert.JSONEq(t, `[{"name":"GET /","spanKind":"server"},{"name":"GET /cart","spanKind":"server"}]`, string(a.Data))
	_, a = s.get("/api/operations", url.Values{"service": {"web"}, "spanKind": {"client"}})
	assert.JSONEq(t, `[]`, string(a.Data))
	assert.Equal(t, []string{traceID(1), traceID(2)}, s.ids(url.Values{"service": {"web"}, "lookback": {"1h"}, "limit": {"20"}, "maxDuration": {""}, "minDuration": {""}, "view": {"x"}}), "newest first")
	assert.Equal(t, []string{traceID(1)}, s.ids(url.Values{"service": {"web"}, "limit": {"1"}}))
	assert.Equal(t, []string{}, s.ids(url.Values{"service": {"web"}, "lookback": {"30s"}}))
	found, a := s.traces("/api/traces", url.Values{"traceID": {traceID(2), traceID(7), traceID(1)}})
	require.Len(t, found, 2)
	assert.Equal(t, traceID(2), found[0].TraceID)
	assert.Equal(t, []jaegerapi.Error{{Msg: "trace not found", TraceID: traceID(7)}}, a.Errors)
}

func TestSearchByTags(t *testing.T) {
	s := newServer(t, nil)
	s.add("acme", shop())
	for tags, want := range map[string][]string{
		`{"error":"true"}`: {traceID(1)}, `{"error":true}`: {traceID(1)}, `error=true`: {traceID(1)}, `{"error":"false"}`: {},
		`{"span.kind":"server"}`: {traceID(1), traceID(2)}, `{"otel.status_code":"OK"}`: {traceID(2)}, `otel.status_description="no cart" host.name=web-1`: {traceID(1)},
		`{"http.status_code":500}`: {traceID(1)}, `{"kind":"an attribute of a taken name"}`: {traceID(1)}, `{"kind":"server"}`: {}, `{"penstock_tenant":"acme"}`: {traceID(1), traceID(2)},
		`{"http.status_code":"50"}`: {}, `{"a\"b":"c\"d"}`: {},
	} {
		assert.Equal(t, want, s.ids(url.Values{"service": {"web"}, "tags": {tags}}), tags)
	}
	assert.Equal(t, []string{traceID(1)}, s.ids(url.Values{"service": {"web"}, "tag": {"error:true", "http.status_code:500"}}))
	assert.Equal(t, []string{traceID(2)}, s.ids(url.Values{"service": {"web"}, "minDuration": {"1s"}}))
	assert.Equal(t, []string{}, s.ids(url.Values{"service": {"we"}}))
}

func TestMistakesAreNamed(t *testing.T) {
	s := newServer(t, func(b *bounded.Bounds) { b.MaxLength = 200 })
	for query, says := range map[string]string{
		"/api/traces": "parameter 'service' is required", "/api/operations": "parameter 'service' is required",
		"/api/traces?service=a&limit=0": "limit must be greater than 0", "/api/traces?service=a&limit=2000": "limit: 2000 traces are more than the 1500",
		"/api/traces?service=a&start=2024-01-01T00:00:00Z": "'start'", "/api/traces?service=a&start=1700000000000001&end=1700000000000000": "start time must be before end time",
		"/api/traces?service=a&minDuration=5": "'minDuration'", "/api/traces?service=a&minDuration=2s&maxDuration=1s": "'maxDuration' should be greater",
		"/api/traces?service=a&tags=%7Ba": "cannot unmarshal JSON", "/api/traces?service=a&tag=error": "expecting key:value", "/api/traces?service=a&tags=%7B%22a%22%3A%5B%5D%7D": "neither a text",
		"/api/traces?service=a&tags=a%3D": "empty values are not stored", "/api/traces/xyz": "TraceID", "/api/traces/" + traceID(1) + "0": "between 1 and 32", "/api/traces?traceID=x": "cannot parse traceID",
		"/api/dependencies?endTs=now": "'endTs'", "/api/services?x=" + url.QueryEscape(string(make([]byte, 100))): "query::max_length",
	} {
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, query, nil))
		assert.Equal(t, http.StatusBadRequest, w.Code, query)
		var a answer
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a), query)
		require.Len(t, a.Errors, 1)
		assert.Contains(t, a.Errors[0].Msg, says, query)
		assert.Equal(t, 400, a.Errors[0].Code)
	}
	assert.Contains(t, s.reasons, "max_length")
	assert.Contains(t, s.reasons, "bad_query")
}

func TestWhatCostsTooMuchIsRefused(t *testing.T) {
	s := newServer(t, func(b *bounded.Bounds) { b.Timeout = time.Nanosecond })
	code, a := s.get("/api/services", nil)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.NotEmpty(t, a.Errors)
}

// An operator sees a trace of two tenants whole, and which spans are whose; each tenant its own spans.
func TestATraceThatSpansTenants(t *testing.T) {
	s := newServer(t, nil)
	s.add("acme", spans(span{trace: 1, id: 1, service: "web", name: "a", ago: time.Minute}))
	s.add("beta", spans(span{trace: 1, id: 2, parent: 1, service: "web", name: "b", ago: time.Minute}))
	found, _ := s.traces("/api/traces/"+traceID(1), nil)
	assert.Len(t, found[0].Spans, 2)
	assert.Len(t, found[0].Processes, 2)
	s.view = store.View{Tenant: "beta"}
	found, _ = s.traces("/api/traces/"+traceID(1), nil)
	require.Len(t, found[0].Spans, 1)
	assert.Equal(t, "b", found[0].Spans[0].OperationName)
	assert.Equal(t, []jaegerapi.Reference{{RefType: "CHILD_OF", TraceID: traceID(1), SpanID: spanID(1)}}, found[0].Spans[0].References)
	s.view = store.View{Tenant: "other"}
	code, _ := s.get("/api/traces/"+traceID(1), nil)
	assert.Equal(t, http.StatusNotFound, code)
	_, a := s.get("/api/services", nil)
	assert.JSONEq(t, `[]`, string(a.Data))
	_, a = s.get("/api/dependencies", nil)
	assert.JSONEq(t, `[]`, string(a.Data))
}

// Spans that come after a search are in the next answer; one that comes again is there once.
func TestSpansThatComeLaterAndAgain(t *testing.T) {
	s := newServer(t, nil)
	s.add("acme", spans(span{trace: 1, id: 2, parent: 1, service: "carts", name: "load", ago: time.Minute}))
	assert.Equal(t, []string{}, s.ids(url.Values{"service": {"web"}}))
	root := span{trace: 1, id: 1, service: "web", name: "GET /cart", ago: 2 * time.Minute, takes: time.Second}
	s.add("acme", spans(root))
	s.add("acme", spans(root))
	found, _ := s.traces("/api/traces", url.Values{"service": {"web"}})
	require.Len(t, found, 1)
	require.Len(t, found[0].Spans, 2)
	assert.Equal(t, "GET /cart", found[0].Spans[0].OperationName, "earliest first")
	_, a := s.get("/api/dependencies", nil)
	assert.JSONEq(t, `[{"parent":"web","child":"carts","callCount":1}]`, string(a.Data))
}

// Ids of 64 bits have 16 digits, and clients leave zeros out.
func TestIdsOfAnyLength(t *testing.T) {
	s := newServer(t, nil)
	td := spans(span{trace: 1, id: 1, service: "web", name: "a", ago: time.Minute})
	td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).SetTraceID(pcommon.TraceID{14: 0xAB, 15: 0xCD})
	s.add("acme", td)
	for _, id := range []string{"abcd", "ABCD", "000000000000abcd", "0000000000000000000000000000abcd"} {
		found, _ := s.traces("/api/traces/"+id, nil)
		require.Len(t, found, 1, id)
		assert.Equal(t, "000000000000abcd", found[0].TraceID)
		assert.Equal(t, []string{"000000000000abcd"}, s.ids(url.Values{"traceID": {id}}))
	}
}

// A search finds what is far from the end, and older than its first slices.
func TestASearchOfAllSlices(t *testing.T) {
	s := newServer(t, nil)
	for i, ago := range []time.Duration{time.Second, time.Hour, 7 * time.Hour, 30 * time.Hour, 47 * time.Hour} {
		s.add("acme", spans(span{trace: byte(i + 1), id: 1, service: "web", name: "a", ago: ago}))
	}
	assert.Equal(t, []string{traceID(1), traceID(2), traceID(3), traceID(4), traceID(5)}, s.ids(url.Values{"service": {"web"}}))
	assert.Equal(t, []string{traceID(1), traceID(2), traceID(3)}, s.ids(url.Values{"service": {"web"}, "limit": {"3"}}))
	at := func(ago time.Duration) []string { return []string{strconv.FormatInt(now.Add(-ago).UnixMicro(), 10)} }
	assert.Equal(t, []string{traceID(3), traceID(4)}, s.ids(url.Values{"service": {"web"}, "start": at(30 * time.Hour), "end": at(7 * time.Hour)}), "both ends are within")
}
