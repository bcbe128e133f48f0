package ingestreceiver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/receivers/ingestreceiver"
)

// server is a started receiver.
type server struct {
	t       *testing.T
	url     string
	logs    *consumertest.LogsSink
	metrics *consumertest.MetricsSink
}

func start(t *testing.T, next consumer.Logs, change func(*ingestreceiver.Config)) *server {
	t.Helper()
	return startWith(t, componenttest.NewNopHost(), next, change)
}

func startWith(t *testing.T, host component.Host, next consumer.Logs, change func(*ingestreceiver.Config)) *server {
	t.Helper()
	address := freeport.One(t)
	factory := ingestreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig().(*ingestreceiver.Config)
	cfg.HTTP.NetAddr.Endpoint = address
	if change != nil {
		change(cfg)
	}
	require.NoError(t, confmap.Validate(cfg))
	s := &server{t: t, url: "http://" + address, logs: &consumertest.LogsSink{}, metrics: &consumertest.MetricsSink{}}
	if next == nil {
		next = s.logs
	}
	set := receivertest.NewNopSettings(factory.Type())
	logs, err := factory.CreateLogs(t.Context(), set, cfg, next)
	require.NoError(t, err)
	metrics, err := factory.CreateMetrics(t.Context(), set, cfg, s.metrics)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), host))
	require.NoError(t, metrics.Start(t.Context(), host))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		assert.NoError(t, logs.Shutdown(context.Background()))
		assert.NoError(t, metrics.Shutdown(context.Background()))
	})
	return s
}

type answer struct {
	code     int
	header   http.Header
	Status   string `json:"status"`
	Received int    `json:"received"`
	Rejected int    `json:"rejected"`
	BatchID  string `json:"batch_id"`
	Error    string `json:"error"`
	Errors   []struct {
		Index  int    `json:"index"`
		Reason string `json:"reason"`
	} `json:"errors"`
}

func (s *server) ask(method, path, kind string, body io.Reader, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	require.NoError(s.t, err)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	a := answer{code: resp.StatusCode, header: resp.Header}
	if method != http.MethodHead {
		require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&a), "every answer is JSON")
	}
	return a
}

func (s *server) post(signal, kind, body string) answer {
	s.t.Helper()
	return s.ask(http.MethodPost, "/api/v1/"+signal+"/ingest", kind, strings.NewReader(body))
}

const js = "application/json"

func records(all []plog.Logs) (out []plog.LogRecord) {
	for _, l := range all {
		for _, r := range l.ResourceLogs().All() {
			for _, s := range r.ScopeLogs().All() {
				for _, record := range s.LogRecords().All() {
					out = append(out, record)
				}
			}
		}
	}
	return out
}

// Every shape of a body holds the same two records.
func TestShapes(t *testing.T) {
	a, b := `{"message":"first","level":"warn"}`, `{"message":"second"}`
	for name, c := range map[string][2]string{
		"a list":                 {js, `[` + a + `,` + b + `]`},
		"an envelope":            {js + "; charset=utf-8", `{"logs":[` + a + `,` + b + `],"host":"h","service":"s"}`},
		"lines":                  {"application/x-ndjson", a + "\r\n\n" + b + "\n"},
		"lines under JSON":       {js, a + "\n" + b + "\n"},
		"no content type":        {"", `[` + a + `,` + b + `]`},
		"lines of lists":         {"Application/X-NDJSON", `[` + a + `]` + "\n" + `{"logs":[` + b + `]}`},
		"curl -d":                {"application/x-www-form-urlencoded", `[` + a + `,` + b + `]`},
		"a type that is of JSON": {"application/vnd.api+json", `[` + a + `,` + b + `]`},
	} {
		s := start(t, nil, nil)
		got := s.post("logs", c[0], c[1])
		require.Equal(t, http.StatusAccepted, got.code, "%s: %s", name, got.Error)
		assert.Equal(t, "accepted", got.Status)
		assert.Equal(t, 2, got.Received, name)
		assert.Zero(t, got.Rejected)
		assert.NotEmpty(t, got.BatchID)
		assert.NotNil(t, got.Errors)
		all := records(s.logs.AllLogs())
		require.Len(t, all, 2, name)
		assert.Equal(t, "first", all[0].Body().Str())
		assert.Equal(t, plog.SeverityNumberWarn, all[0].SeverityNumber())
		uid, _ := all[1].Attributes().Get("log.record.uid")
		assert.Equal(t, got.BatchID+"-1", uid.Str())
		from, _ := all[1].Attributes().Get("client.address")
		assert.Equal(t, "127.0.0.1", from.Str())
		assert.NotZero(t, all[1].ObservedTimestamp())
		if name == "an envelope" {
			resource := s.logs.AllLogs()[0].ResourceLogs().At(0).Resource().Attributes().AsRaw()
			assert.Equal(t, map[string]any{"service.name": "s", "host.name": "h"}, resource)
		}
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 11, 29, 6, 15, 2, 123456789, time.UTC)
	for text, want := range map[string]time.Time{
		`"2026-11-29T06:15:02.123456789Z"`:      at,
		`"2026-11-29T08:15:02.123456789+02:00"`: at,
		fmt.Sprint(at.Unix()):                   at.Truncate(time.Second),
		fmt.Sprintf(`"%d"`, at.Unix()):          at.Truncate(time.Second),
		fmt.Sprintf("%d.123456789", at.Unix()):  at,
		fmt.Sprint(at.UnixMilli()):              at.Truncate(time.Millisecond),
		fmt.Sprint(at.UnixMicro()):              at.Truncate(time.Microsecond),
		fmt.Sprint(at.UnixNano()):               at,
		`"2026-11-29t06:15:02.123456789z"`:      at,
		`"2026-11-29 06:15:02,123456789Z"`:      at,
		`"2026-11-29 08:15:02.123456789 +0200"`: at,
		`"2026-11-29T08:15:02.123456789+02"`:    at,
		`"2026-11-29T06:15:02.123456789"`:       at,
		`"2026-11-29 06:15:02.123456789 UTC"`:   at,
		`"2026-11-29T06:14:60.5Z"`:              at.Truncate(time.Minute).Add(500 * time.Millisecond),
		`"2026-11-29T06:15Z"`:                   at.Truncate(time.Minute),
		`1795932902.123456789e0`:                at,
	} {
		s := start(t, nil, func(c *ingestreceiver.Config) { c.MaxFuture = 0 })
		require.Equal(t, http.StatusAccepted, s.post("logs", js, `{"timestamp":`+text+`}`).code, text)
		assert.Equal(t, want, records(s.logs.AllLogs())[0].Timestamp().AsTime(), text)
	}
	s := start(t, nil, nil)
	for _, text := range []string{`"yesterday"`, `""`, `true`, `-1`, `1e400`, `"NaN"`, `"0x10"`, `99999999999999999999`, `{}`, `"0001-01-01T00:00:00Z"`, `"1e-999999999"`} {
		got := s.post("logs", js, `[{"timestamp":`+text+`},{"message":"lives"}]`)
		assert.Equal(t, http.StatusAccepted, got.code, text)
		require.Equal(t, 1, got.Rejected, text)
		assert.Contains(t, got.Errors[0].Reason, "the timestamp must be RFC 3339", text)
	}
}

func TestTimesOutOfRange(t *testing.T) {
	old, ahead := time.Now().Add(-2*time.Hour).Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339)
	body := `[{"time":"` + old + `"},{"time":"` + ahead + `"},{"message":"now"}]`
	s := start(t, nil, func(c *ingestreceiver.Config) { c.MaxAge = time.Hour })
	require.Equal(t, http.StatusAccepted, s.post("logs", js, body).code)
	var marks []string
	for _, r := range records(s.logs.AllLogs()) {
		mark, ok := r.Attributes().Get("ingest.time_out_of_range")
		if ok {
			marks = append(marks, mark.Str())
		}
	}
	assert.Equal(t, []string{"past", "future"}, marks)

	s = start(t, nil, func(c *ingestreceiver.Config) { c.MaxAge, c.OnTime = time.Hour, "refuse" })
	got := s.post("logs", js, body)
	assert.Equal(t, 2, got.Rejected)
	assert.Equal(t, 1, got.Errors[1].Index)
	assert.Equal(t, "the timestamp is out of range: future", got.Errors[1].Reason)
}

func TestLevels(t *testing.T) {
	s := start(t, nil, nil)
	want := map[string]plog.SeverityNumber{`"INFO"`: 9, `"Warning"`: 13, `" err "`: 17, `"CRIT"`: 21, `"W"`: 13, `30`: 9, `"50"`: 17, `17`: 17, `"whatever"`: 0, `"emerg"`: 21, `"notice"`: 10, `"config"`: 7, `"INFO2"`: 10, `"[Error]"`: 17, `"info:"`: 9, `"SEVERITY_NUMBER_WARN4"`: 16, `"WARN5"`: 0, `"t"`: 1, `"Verbose"`: 1, `0`: 0, `-3`: 0}
	for level, number := range want {
		s.logs.Reset()
		require.Equal(t, http.StatusAccepted, s.post("logs", js, `{"severity":`+level+`}`).code)
		r := records(s.logs.AllLogs())[0]
		assert.Equal(t, number, r.SeverityNumber(), level)
		assert.Equal(t, strings.Trim(level, `"`), r.SeverityText(), "the text stays as it was")
	}
}

func TestOneBadItem(t *testing.T) {
	s := start(t, nil, nil)
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	got := s.post("logs", js, `["secret",{"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"secret"},{"message":"lives","n":9007199254740993,"labels":{"k":[1.5,null,true]}},null,{"labels":"secret"},`+deep+`]`)
	assert.Equal(t, http.StatusAccepted, got.code)
	assert.Equal(t, 6, got.Received)
	assert.Equal(t, 5, got.Rejected)
	assert.NotContains(t, fmt.Sprint(got.Errors), "secret")
	all := records(s.logs.AllLogs())
	require.Len(t, all, 1)
	attributes := all[0].Attributes().AsRaw()
	assert.Equal(t, int64(9007199254740993), attributes["n"], "integers stay exact")
	assert.Equal(t, []any{1.5, nil, true}, attributes["k"])

	got = s.post("logs", "application/x-ndjson", "{\"message\":\"a\"}\n{secret\n{\"message\":\"b\"}")
	assert.Equal(t, http.StatusAccepted, got.code)
	require.Equal(t, 1, got.Rejected)
	assert.Equal(t, 1, got.Errors[0].Index)

	got = s.post("logs", js, `["a",1]`)
	assert.Equal(t, http.StatusBadRequest, got.code, "nothing was taken")
	assert.Equal(t, "rejected", got.Status)
}

func TestMetrics(t *testing.T) {
	s := start(t, nil, nil)
	got := s.post("metrics", js, `{"service":"s","metrics":[{"name":"t","value":21.5,"unit":"Cel","room":"kitchen"},
		{"name":"n","value":"7","type":"counter","temporality":"delta","tags":{"k":"v"}},{"name":"u","value":-3,"type":"UpDownCounter"},
		{"name":"no value"},{"value":1},{"name":"x","value":"secret"},{"name":"x","value":1,"type":"secret"},{"name":"x","value":-1,"type":"counter"}]}`)
	assert.Equal(t, http.StatusAccepted, got.code)
	assert.Equal(t, 8, got.Received)
	assert.Equal(t, 5, got.Rejected)
	assert.NotContains(t, fmt.Sprint(got.Errors), "secret")
	metrics := s.metrics.AllMetrics()[0].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	require.Equal(t, 3, metrics.Len())
	assert.Equal(t, 21.5, metrics.At(0).Gauge().DataPoints().At(0).DoubleValue())
	assert.Equal(t, map[string]any{"room": "kitchen"}, metrics.At(0).Gauge().DataPoints().At(0).Attributes().AsRaw(), "nothing is added to a series")
	assert.Equal(t, pmetric.AggregationTemporalityDelta, metrics.At(1).Sum().AggregationTemporality())
	assert.EqualValues(t, 7, metrics.At(1).Sum().DataPoints().At(0).IntValue())
	assert.False(t, metrics.At(2).Sum().IsMonotonic())
}

func TestEvents(t *testing.T) {
	s := start(t, nil, nil)
	got := s.post("events", js, `[{"name":"order.placed","data":{"id":7},"customer":"c"},{"data":{}}]`)
	assert.Equal(t, 1, got.Rejected)
	r := records(s.logs.AllLogs())[0]
	assert.Equal(t, "order.placed", r.EventName())
	assert.Equal(t, map[string]any{"id": int64(7)}, r.Body().Map().AsRaw())
}

// A payload of any other type is kept byte for byte.
func TestOpaquePayloads(t *testing.T) {
	payload := []byte{0, 255, '{', '\n', 0x80}
	for _, kind := range []string{"application/octet-stream", "image/PNG; x=1", "text/plain", ";;"} {
		s := start(t, nil, nil)
		require.Equal(t, http.StatusAccepted, s.ask(http.MethodPost, "/api/v1/logs/ingest", kind, bytes.NewReader(payload)).code, kind)
		r := records(s.logs.AllLogs())[0]
		assert.Equal(t, payload, r.Body().Bytes().AsRaw())
		got, _ := r.Attributes().Get("ingest.content_type")
		assert.Equal(t, kind, got.Str())
		assert.Equal(t, http.StatusUnsupportedMediaType, s.ask(http.MethodPost, "/api/v1/metrics/ingest", kind, bytes.NewReader(payload)).code)
	}
}

func TestRefusals(t *testing.T) {
	s := start(t, nil, func(c *ingestreceiver.Config) { c.MaxItems = 3; c.HTTP.MaxRequestBodySize = 1000 })
	for name, c := range map[string]struct {
		method, path, kind, body string
		code                     int
	}{
		"empty":           {"POST", "/api/v1/logs/ingest", js, "", 400},
		"spaces":          {"POST", "/api/v1/logs/ingest", js, " \n", 400},
		"no payload":      {"POST", "/api/v1/logs/ingest", "text/plain", "", 400},
		"not JSON":        {"POST", "/api/v1/logs/ingest", js, "{secret", 400},
		"half":            {"POST", "/api/v1/logs/ingest", js, "[{}", 400},
		"a second half":   {"POST", "/api/v1/logs/ingest", js, "[{}] {", 400},
		"another charset": {"POST", "/api/v1/logs/ingest", js + "; charset=iso-8859-1", "{}", 415},
		"two slashes":     {"POST", "//api/v1/logs/ingest", js, "{}", 404},
		"a slash behind":  {"POST", "/api/v1/logs/ingest/", js, "{}", 404},
		"a way around":    {"POST", "/api/v1/x/../logs/ingest", js, "{}", 404},
		"too many":        {"POST", "/api/v1/logs/ingest", js, "[{},{},{},{}]", 413},
		"too many lines":  {"POST", "/api/v1/logs/ingest", "application/x-ndjson", "{}\nx\n{}\n{}", 413},
		"too large":       {"POST", "/api/v1/logs/ingest", js, strings.Repeat(" ", 1001), 413},
		"GET":             {"GET", "/api/v1/logs/ingest", "", "", 405},
		"HEAD":            {"HEAD", "/api/v1/events/ingest", "", "", 405},
		"another path":    {"POST", "/api/v1/nothing", js, "{}", 404},
		"nested for ever": {"POST", "/api/v1/logs/ingest", js, strings.Repeat("[", 999), 400},
	} {
		got := s.ask(c.method, c.path, c.kind, strings.NewReader(c.body))
		assert.Equal(t, c.code, got.code, name)
		assert.NotContains(t, got.Error, "secret")
		if c.code == 405 {
			assert.Equal(t, "POST", got.header.Get("Allow"), name)
		}
	}
	assert.Empty(t, s.logs.AllLogs(), "nothing of a refused request is taken")
}

// The client is answered when the pipeline has its request, and gets a retryable error while the pipeline has no room.
func TestThePipelineAnswers(t *testing.T) {
	for refusal, want := range map[error]int{
		errors.New("journal full"):                               503,
		status.Error(codes.Unavailable, "journal full"):          503,
		status.Error(codes.ResourceExhausted, "over a limit"):    503,
		consumererror.NewPermanent(errors.New("secret")):         400,
		status.Error(codes.InvalidArgument, "secret: no tenant"): 400,
	} {
		next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return refusal })
		require.NoError(t, err)
		got := start(t, next, nil).post("logs", js, `{"message":"a"}`)
		assert.Equal(t, want, got.code)
		assert.Equal(t, want == 503, got.header.Get("Retry-After") != "")
		assert.NotContains(t, got.Error, "secret")
		if status.Code(refusal) == codes.Unavailable {
			assert.Contains(t, got.Error, "journal full")
		}
	}
}

func TestTooManyAtOnce(t *testing.T) {
	busy, done := make(chan struct{}), make(chan struct{})
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { close(busy); <-done; return nil })
	require.NoError(t, err)
	s := start(t, next, func(c *ingestreceiver.Config) { c.MaxConcurrent = 1 })
	first := make(chan int, 1)
	go func() {
		resp, err := http.Post(s.url+"/api/v1/logs/ingest", js, strings.NewReader(`{"message":"a"}`))
		if err != nil {
			first <- 0
			return
		}
		first <- resp.StatusCode
		_ = resp.Body.Close()
	}()
	<-busy
	got := s.post("logs", js, `{"message":"b"}`)
	assert.Equal(t, http.StatusTooManyRequests, got.code)
	assert.NotEmpty(t, got.header.Get("Retry-After"))
	close(done)
	assert.Equal(t, http.StatusAccepted, <-first)
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*ingestreceiver.Config){
		"max_items: 0 is not positive":                        func(c *ingestreceiver.Config) { c.MaxItems = 0 },
		"max_concurrent_requests: 0 is not positive":          func(c *ingestreceiver.Config) { c.MaxConcurrent = 0 },
		"max_age: -1s is negative":                            func(c *ingestreceiver.Config) { c.MaxAge = -time.Second },
		"max_future: -1s is negative":                         func(c *ingestreceiver.Config) { c.MaxFuture = -time.Second },
		`on_time_out_of_range: "drop" must be mark or refuse`: func(c *ingestreceiver.Config) { c.OnTime = "drop" },
	} {
		cfg := ingestreceiver.NewFactory().CreateDefaultConfig().(*ingestreceiver.Config)
		change(cfg)
		assert.ErrorContains(t, confmap.Validate(cfg), want)
	}
}

func TestReadmeExampleLoads(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "receivers", ingestreceiver.NewFactory(), nil), 1)
}
