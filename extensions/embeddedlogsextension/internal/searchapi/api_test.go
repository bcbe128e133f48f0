package searchapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap/zaptest"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/searchapi"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// prometheus answers with what tests say, and remembers what it was asked.
type prometheus struct {
	code  int
	body  string
	path  string
	asked url.Values
	infos string // the label sets of target_info
}

func (p *prometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/v1/series" {
		_, _ = w.Write([]byte(`{"status":"success","data":[` + p.infos + `]}`))
		return
	}
	p.path, p.asked = r.URL.Path, r.URL.Query()
	if r.Method != http.MethodGet || r.Header.Get("Accept-Encoding") != "" {
		http.Error(w, "a client's headers", http.StatusTeapot)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.code)
	_, _ = w.Write([]byte(p.body))
}

type server struct {
	t       *testing.T
	store   *store.Store
	metrics *prometheus
	api     *searchapi.API
	view    store.View
	reasons []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s, err := store.Open(store.Settings{Directory: t.TempDir(), Retention: 7 * 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zaptest.NewLogger(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	srv := &server{t: t, store: s, metrics: &prometheus{code: 200}, view: store.View{All: true}}
	srv.api = &searchapi.API{
		Store: func() (*store.Store, error) { return s, nil }, ViewOf: func(*http.Request) store.View { return srv.view }, Metrics: srv.metrics,
		Bounds: bounded.Bounds{Timeout: time.Minute, MaxLength: 1000, Queries: gate.New(2, 2, func(context.Context, time.Duration) {}), Refused: func(r string) { srv.reasons = append(srv.reasons, r) }},
	}
	return srv
}

func (s *server) send(method, target, body string, into any) int {
	s.t.Helper()
	mux := http.NewServeMux()
	for _, r := range s.api.Routes() {
		mux.HandleFunc(r.Pattern, r.Handler)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Accept-Encoding", "gzip") // as clients do, who decompress
	}
	mux.ServeHTTP(w, r)
	require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), into), w.Body.String())
	return w.Code
}

// record is one to be stored.
type record struct {
	at            time.Time
	service, host string
	body          string
	severity      plog.SeverityNumber
	trace         byte
	attributes    map[string]any
}

func (s *server) add(tenant string, all ...record) {
	s.t.Helper()
	ld := plog.NewLogs()
	for _, r := range all {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", r.service)
		if r.host != "" {
			rl.Resource().Attributes().PutStr("host.name", r.host)
		}
		lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(r.at))
		lr.Body().SetStr(r.body)
		lr.SetSeverityNumber(r.severity)
		if r.trace != 0 {
			lr.SetTraceID(pcommon.TraceID{15: r.trace})
		}
		require.NoError(s.t, lr.Attributes().FromRaw(r.attributes))
	}
	_, err := s.store.AddLogs(s.t.Context(), ld, store.Batch{At: store.Position{Log: "", Offset: 0}, Received: time.Now(), TenantOf: func(pcommon.Map) string { return tenant }})
	require.NoError(s.t, err)
	require.NoError(s.t, s.store.Flush(s.t.Context()))
}

type found struct {
	Total int64
	Hits  []struct {
		Timestamp, Body      string
		Attributes, Resource map[string]string
		TraceID              string `json:"trace_id"`
		Level                string
	}
	Error string
}

func (f found) bodies() []string {
	all := []string{}
	for _, h := range f.Hits {
		all = append(all, h.Body)
	}
	return all
}

func TestSearch(t *testing.T) {
	s := newServer(t)
	now := time.Now()
	s.add("acme",
		record{at: now.Add(-3 * time.Minute), service: "shop", host: "a", body: "order 1 failed: out of stock", severity: plog.SeverityNumberError, trace: 7, attributes: map[string]any{"code": 500, "level": "taken"}},
		record{at: now.Add(-2 * time.Minute), service: "shop", host: "b", body: "order 2 done", attributes: map[string]any{"code": 200, "vip": true, "order": 9}},
		record{at: now.Add(-time.Minute), service: "pay", body: "paid 3", attributes: map[string]any{"code": 200, "order": 9007199254740993}},
		record{at: now.Add(-2 * time.Hour), service: "shop", body: "order 0 done"},
	)
	search := func(body string) (f found, code int) {
		code = s.send(http.MethodPost, "/api/v1/logs/search", body, &f)
		return f, code
	}
	f, code := search(`{"query":"order failed","time_range":{"start":"now-1h","end":"now"},"size":10,"filters":{"service.name":"shop","code":500}}`)
	require.Equal(t, 200, code, f.Error)
	require.Len(t, f.Hits, 1)
	assert.EqualValues(t, 1, f.Total)
	h := f.Hits[0]
	assert.Equal(t, "order 1 failed: out of stock", h.Body)
	assert.Equal(t, map[string]string{"code": "500", "level": "taken"}, h.Attributes)
	assert.Equal(t, map[string]string{"service.name": "shop", "host.name": "a"}, h.Resource)
	assert.Equal(t, "00000000000000000000000000000007", h.TraceID)
	assert.Equal(t, "error", h.Level)
	at, err := time.Parse(time.RFC3339Nano, h.Timestamp)
	require.NoError(t, err)
	assert.WithinDuration(t, now.Add(-3*time.Minute), at, 0)

	for body, want := range map[string][]string{
		`{}`:                                   {"paid 3", "order 2 done", "order 1 failed: out of stock"},
		`{"size":2}`:                           {"paid 3", "order 2 done"},
		`{"query":"\"out of stock\" or paid"}`: {"paid 3", "order 1 failed: out of stock"},
		`{"filters":{"service.name":["pay","other"]}}`:           {"paid 3"},
		`{"filters":{"order":9007199254740993}}`:                 {"paid 3"},
		`{"filters":{"order":9.0}}`:                              {"order 2 done"},
		`{"filters":{"vip":true}}`:                               {"order 2 done"},
		`{"query":"order","time_range":{"start":"now-3h"}}`:      {"order 2 done", "order 1 failed: out of stock", "order 0 done"},
		`{"query":"a) or (paid"}`:                                nil,
		`{"query":"order # a comment","filters":{"code":"200"}}`: {"order 2 done"},
		`{"filters":{"host.name":"a"}}`:                          {},
		`{"filters":{"resource.host.name":"a"}}`:                 {"order 1 failed: out of stock"},
		`{"size":0}`:                                             {},
	} {
		f, code := search(body)
		if want == nil {
			assert.Equal(t, 400, code, body)
			continue
		}
		require.Equal(t, 200, code, "%s: %s", body, f.Error)
		assert.Equal(t, want, f.bodies(), body)
	}
	f, _ = search(`{"size":0}`)
	assert.EqualValues(t, 3, f.Total)
	s.view = store.View{Tenant: "other"}
	f, _ = search(`{}`)
	assert.Zero(t, f.Total)
	assert.Empty(t, f.Hits)
}

func TestMistakesAreNamed(t *testing.T) {
	s := newServer(t)
	for body, says := range map[string]string{
		`{"query":"* | delete"}`: "query: it must be LogsQL without pipes", `{"qurey":"x"}`: `unknown field "qurey"`, `{`: "the body", `{} {}`: "something behind",
		`{"size":1001}`: "size: 1001", `{"size":-1}`: "size: -1", `{"time_range":{"start":"soon"}}`: "time_range.start", `{"time_range":{"start":"now","end":"now-1h"}}`: "is not before its end",
		`{"filters":{"a":{}}}`: "filters: a value of \"a\"", `{"filters":{"a":[]}}`: "has no value", `{"query":"` + strings.Repeat("x", 1001) + `"}`: "query::max_length",
	} {
		var f found
		assert.Equal(t, 400, s.send(http.MethodPost, "/api/v1/logs/search", body, &f), body)
		assert.Contains(t, f.Error, says, body)
	}
	for body, says := range map[string]string{
		`{"by":"pod","metric_query":"up"}`: `by: "pod" is none of host, service, trace`, `{"by":"host"}`: "metric_query: it must not be empty",
		`{"by":"host","metric_query":"up","time_range":{"start":"now-8d"}}`: "minutes are more than 10080 (a week)", `{"by":"host","metric_query":"up","log_query":"* | fields x"}`: "log_query: ",
	} {
		var f found
		assert.Equal(t, 400, s.send(http.MethodPost, "/api/v1/query/correlate", body, &f), body)
		assert.Contains(t, f.Error, says, body)
	}
	var f found
	assert.Equal(t, 400, s.send(http.MethodGet, "/api/v1/metrics/query", "", &f))
	assert.Contains(t, f.Error, "q: it must not be empty")
	assert.Contains(t, s.reasons, "max_length")
	s.metrics.code, s.metrics.body = 400, `{"status":"error","errorType":"bad_data","error":"parse error"}`
	assert.Equal(t, 400, s.send(http.MethodPost, "/api/v1/query/correlate", `{"by":"host","metric_query":"("}`, &f))
	assert.Contains(t, f.Error, "metric_query: parse error")
	s.api.Metrics = nil
	for _, at := range []string{"/api/v1/query/correlate", "/api/v1/metrics/query?q=up"} {
		method := map[bool]string{true: http.MethodGet, false: http.MethodPost}[strings.Contains(at, "?")]
		assert.Equal(t, 404, s.send(method, at, `{"by":"host","metric_query":"up"}`, &f))
		assert.Contains(t, f.Error, "no embedded_tsdb runs in this process")
	}
}

func TestMetricsArePassedOn(t *testing.T) {
	s := newServer(t)
	s.metrics.body = `{"status":"success","data":{"resultType":"vector","result":[]}}`
	var got struct{ Status string }
	assert.Equal(t, 200, s.send(http.MethodGet, "/api/v1/metrics/query?q=up&end=1700000000", "", &got))
	assert.Equal(t, "success", got.Status)
	assert.Equal(t, "/api/v1/query", s.metrics.path)
	assert.Equal(t, url.Values{"query": {"up"}, "time": {"1700000000.000"}}, s.metrics.asked)
	s.send(http.MethodGet, "/api/v1/metrics/query?q=up&start=2023-11-14T21:13:20Z&end=1700000000", "", &got)
	assert.Equal(t, "/api/v1/query_range", s.metrics.path)
	assert.Equal(t, url.Values{"query": {"up"}, "start": {"1699996400.000"}, "end": {"1700000000.000"}, "step": {"15"}}, s.metrics.asked)
}

type correlations struct {
	Keys []struct {
		Key    string
		Logs   int64 `json:"log_count"`
		Errors int64 `json:"error_count"`
		Metric *struct {
			Min, Max, Mean, P95 float64
			Count               int
		}
		Score   *float64 `json:"correlation_score"`
		Lag     *int     `json:"lag_minutes"`
		Minutes int
		Reason  string
	}
	Unkeyed int `json:"series_without_key"`
	Error   string
}

// matrix is Prometheus' answer for one series a key, with values from a minute on.
func matrix(first int64, series map[string][]float64) string {
	var all []string
	for labels, values := range series {
		var points []string
		for i, v := range values {
			points = append(points, fmt.Sprintf(`[%d,"%v"]`, (first+int64(i)+1)*60, v))
		}
		all = append(all, `{"metric":{`+labels+`},"values":[`+strings.Join(points, ",")+`]}`)
	}
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(all, ",") + `]}}`
}

// The metric of shop follows its errors by two minutes; that of pay does not move; web has no metric, and idle no records.
func TestCorrelateByService(t *testing.T) {
	s := newServer(t)
	errs := []int{0, 3, 1, 0, 5, 2, 0, 0, 4, 1, 0, 6, 0, 2, 0, 0}
	first := time.Now().Unix()/60 - int64(len(errs)) - 2
	var records []record
	shop, flat := make([]float64, len(errs)), make([]float64, len(errs))
	for i, n := range errs {
		at := time.Unix((first+int64(i))*60+30, 0)
		for range n {
			records = append(records, record{at: at, service: "shop", body: "timeout", severity: plog.SeverityNumberError})
		}
		records = append(records, record{at: at, service: "pay", body: "timeout", severity: plog.SeverityNumberWarn}, record{at: at, service: "web", body: "timeout"}, record{at: at, service: "shop", body: "fine"})
		if i+2 < len(errs) {
			shop[i+2] = 0.1 * float64(n)
		}
		flat[i] = 1
	}
	s.add("acme", records...)
	s.metrics.body = matrix(first, map[string][]float64{`"job":"eu/shop","instance":"x:1"`: shop, `"service_name":"pay"`: flat, `"job":"idle"`: flat, `"le":"1"`: flat})
	body := fmt.Sprintf(`{"log_query":"timeout","metric_query":"m","time_range":{"start":"%d","end":"%d"},"by":"service"}`, first*60, (first+int64(len(errs)))*60)
	var got correlations
	require.Equal(t, 200, s.send(http.MethodPost, "/api/v1/query/correlate", body, &got), got.Error)
	assert.Equal(t, url.Values{"query": {"m"}, "start": {strconv.FormatInt((first+1)*60, 10)}, "end": {strconv.FormatInt((first+16)*60, 10)}, "step": {"60"}}, s.metrics.asked)
	require.Len(t, got.Keys, 4)
	k := got.Keys[0]
	assert.Equal(t, "shop", k.Key)
	assert.EqualValues(t, 24, k.Errors)
	assert.EqualValues(t, 24, k.Logs, "log_query selects")
	require.NotNil(t, k.Score)
	assert.InDelta(t, 1, *k.Score, 1e-9)
	assert.Equal(t, 2, *k.Lag)
	assert.Equal(t, 14, k.Minutes)
	assert.Equal(t, 16, k.Metric.Count)
	assert.InDelta(t, 0.6, k.Metric.Max, 1e-9)
	pay, web, idle := got.Keys[1], got.Keys[2], got.Keys[3]
	assert.Equal(t, []string{"pay", "web", "idle"}, []string{pay.Key, web.Key, idle.Key})
	assert.Nil(t, pay.Score)
	assert.Equal(t, "constant", pay.Reason)
	assert.Nil(t, web.Metric)
	assert.Equal(t, "no_metric", web.Reason)
	assert.Zero(t, idle.Logs)
	assert.Equal(t, "constant", idle.Reason)
	assert.Equal(t, 1, got.Unkeyed)
}

func TestCorrelateByHostAndTrace(t *testing.T) {
	s := newServer(t)
	now := time.Now()
	s.add("acme", record{at: now.Add(-2 * time.Minute), service: "shop", host: "a", body: "x", severity: plog.SeverityNumberFatal, trace: 1}, record{at: now.Add(-2 * time.Minute), service: "shop", body: "of no host"})
	s.metrics.body = matrix(now.Unix()/60-3, map[string][]float64{`"instance":"a:9100"`: {1, 3}})
	var got correlations
	require.Equal(t, 200, s.send(http.MethodPost, "/api/v1/query/correlate", `{"metric_query":"m","by":"host"}`, &got), got.Error)
	require.Len(t, got.Keys, 1)
	assert.Equal(t, "a", got.Keys[0].Key)
	assert.EqualValues(t, 1, got.Keys[0].Errors)
	assert.InDelta(t, 2, got.Keys[0].Metric.Mean, 0)
	assert.InDelta(t, 2.9, got.Keys[0].Metric.P95, 1e-9)
	assert.Equal(t, "too_few_minutes", got.Keys[0].Reason)

	s.metrics.body = `{"status":"success","data":[{"seriesLabels":{"job":"shop"},"exemplars":[{"labels":{"trace_id":"00000000000000000000000000000001"},"value":"0.25","timestamp":` +
		strconv.FormatInt(now.Unix()-120, 10) + `.5},{"labels":{},"value":"9","timestamp":1}]}]}`
	require.Equal(t, 200, s.send(http.MethodPost, "/api/v1/query/correlate", `{"metric_query":"m","by":"trace"}`, &got), got.Error)
	assert.Equal(t, "/api/v1/query_exemplars", s.metrics.path)
	require.Len(t, got.Keys, 1)
	assert.Equal(t, "00000000000000000000000000000001", got.Keys[0].Key)
	assert.Equal(t, 1, got.Keys[0].Metric.Count)
	assert.InDelta(t, 0.25, got.Keys[0].Metric.Max, 0)
	assert.Equal(t, "too_few_minutes", got.Keys[0].Reason)
}
