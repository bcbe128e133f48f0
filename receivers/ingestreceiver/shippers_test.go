package ingestreceiver_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/receivers/ingestreceiver"
)

// raw is an answer in the form of another protocol.
type raw struct {
	code   int
	header http.Header
	text   string
}

func (s *server) send(method, path, kind, body string, headers ...string) raw {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
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
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return raw{resp.StatusCode, resp.Header, string(text)}
}

// stored are the records with their resources' attributes.
type stored struct {
	plog.LogRecord
	resource map[string]any
}

func (s *server) stored() (out []stored) {
	for _, l := range s.logs.AllLogs() {
		for _, r := range l.ResourceLogs().All() {
			for _, scope := range r.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					out = append(out, stored{record, r.Resource().Attributes().AsRaw()})
				}
			}
		}
	}
	return out
}

// own are the attributes of a record without its sender's address.
func (s stored) own() map[string]any {
	all := s.Attributes().AsRaw()
	delete(all, "client.address")
	return all
}

func zipped(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

const (
	lokiPath   = "/loki/api/v1/push"
	proto      = "application/x-protobuf"
	traceText  = "5b8efff798038103d269b633813fc60c"
	spanText   = "eee19b7ec3c1b174"
	lokiJSON   = `{"streams":[{"stream":{"service_name":"shop","level":"warn","pod":"p-1"},"values":[["1700000000123456789","first",{"trace_id":"` + traceText + `","span_id":"` + spanText + `","user":"u"}],["1700000000123456790","second",{"severity":"error","trace_id":"none"}]]}]}`
	bulkAction = `{"index":{"_index":"logs","_id":"a1"}}` + "\n"
)

func lokiBody(t *testing.T) []byte {
	t.Helper()
	request := push.PushRequest{Streams: []push.Stream{{Labels: `{service_name="shop", level="warn", pod="p-1"}`, Entries: []push.Entry{
		{Timestamp: time.Unix(0, 1700000000123456789), Line: "first", StructuredMetadata: push.LabelsAdapter{{Name: "trace_id", Value: traceText}, {Name: "span_id", Value: spanText}, {Name: "user", Value: "u"}}},
		{Timestamp: time.Unix(0, 1700000000123456790), Line: "second", StructuredMetadata: push.LabelsAdapter{{Name: "severity", Value: "error"}, {Name: "trace_id", Value: "none"}}},
	}}}}
	body, err := request.Marshal()
	require.NoError(t, err)
	return body
}

// Every form of a push request becomes the same records.
func TestLoki(t *testing.T) {
	plain := lokiBody(t)
	compressed := string(snappy.Encode(nil, plain))
	for name, c := range map[string]struct {
		kind, body string
		headers    []string
	}{
		"protobuf":                       {proto, compressed, nil},
		"protobuf, snappy named twice":   {proto, string(snappy.Encode(nil, []byte(compressed))), []string{"Content-Encoding", "snappy"}},
		"protobuf, snappy as encoding":   {proto, compressed, []string{"Content-Encoding", "snappy"}},
		"protobuf without compression":   {proto, string(plain), nil},
		"protobuf without content type":  {"", compressed, nil},
		"JSON":                           {js, lokiJSON, nil},
		"JSON with gzip":                 {js + "; charset=utf-8", zipped(t, lokiJSON), []string{"Content-Encoding", "gzip"}},
		"JSON, the encoding in capitals": {js, zipped(t, lokiJSON), []string{"Content-Encoding", "GZIP"}},
	} {
		s := start(t, nil, nil)
		got := s.send("POST", lokiPath, c.kind, c.body, c.headers...)
		require.Equal(t, http.StatusNoContent, got.code, "%s: %s", name, got.text)
		assert.Empty(t, got.text)
		all := s.stored()
		require.Len(t, all, 2, name)
		first, second := all[0], all[1]
		assert.Equal(t, map[string]any{"service.name": "shop", "pod": "p-1"}, first.resource)
		assert.Equal(t, "first", first.Body().Str())
		assert.EqualValues(t, 1700000000123456789, first.Timestamp())
		assert.Equal(t, plog.SeverityNumberWarn, first.SeverityNumber())
		assert.Equal(t, traceText, first.TraceID().String())
		assert.Equal(t, spanText, first.SpanID().String())
		assert.Equal(t, map[string]any{"user": "u"}, first.own())
		assert.Equal(t, plog.SeverityNumberError, second.SeverityNumber(), "an entry's level wins over its stream's")
		assert.Equal(t, map[string]any{"trace_id": "none"}, second.own(), "what is no id stays")
	}
}

func TestLokiAnswers(t *testing.T) {
	s := start(t, nil, nil)
	got := s.send("POST", lokiPath, js, `{"streams":[{"stream":{"app":"a"},"values":[["secret","x"],["0","lives"]]}]}`)
	assert.Equal(t, http.StatusBadRequest, got.code)
	assert.Contains(t, got.text, "1 entries were refused, the others were accepted")
	assert.NotContains(t, got.text, "secret")
	all := s.stored()
	require.Len(t, all, 1)
	assert.Equal(t, map[string]any{"app": "a", "service.name": "a"}, all[0].resource, "the likeliest label names the service")
	assert.NotZero(t, all[0].Timestamp(), "an entry without a time has the time of receipt")
	assert.NotZero(t, all[0].ObservedTimestamp())
	for name, c := range map[string]struct {
		method, path, kind, body string
		code                     int
	}{
		"empty":      {"POST", lokiPath, js, "", 400},
		"no JSON":    {"POST", lokiPath, js, "{", 400},
		"no request": {"POST", lokiPath, proto, "secret", 400},
		"XML":        {"POST", lokiPath, "text/xml", "<a/>", 415},
		"GET":        {"GET", lokiPath, "", "", 405},
		"elsewhere":  {"GET", "/loki/api/v1/query", "", "", 404},
	} {
		got := s.send(c.method, c.path, c.kind, c.body)
		assert.Equal(t, c.code, got.code, name)
		assert.NotEmpty(t, got.text, name)
		assert.NotContains(t, got.text, "secret", name)
	}
	assert.Len(t, s.stored(), 1)
}

func TestBulk(t *testing.T) {
	doc := `{"@timestamp":"2026-11-29T06:15:02.123Z","message":"served","log":{"level":"warn","file":{"path":"/a.log"}},"service":{"name":"shop","environment":"prod"},"host":{"name":"h","ip":["1.2.3.4"]},` +
		`"trace":{"id":"` + traceText + `"},"span":{"id":"` + spanText + `"},"error":{"message":"boom"},"http.response.status_code":200,"client":{"ip":"9.9.9.9"},"nothing":null,"tags":["a"],"n":9007199254740993}`
	body := bulkAction + doc + "\n" + `{"create":{}}` + "\n" + `{"message":"no time"}` + "\n" + `{"delete":{"_id":"d"}}` + "\n" + `{"update":{"_id":"u"}}` + "\n{\"doc\":{}}\n" +
		`{"index":{}}` + "\nsecret\n" + `{"index":{}}` + "\n" + `{"@timestamp":"secret"}` + "\n"
	for name, headers := range map[string][]string{"plain": nil, "gzip": {"Content-Encoding", "gzip"}} {
		s := start(t, nil, nil)
		sent := body
		if headers != nil {
			sent = zipped(t, body)
		}
		got := s.send("POST", "/other/_bulk?filter_path=errors", "application/x-ndjson", sent, headers...)
		require.Equal(t, http.StatusOK, got.code, "%s: %s", name, got.text)
		assert.Equal(t, "Elasticsearch", got.header.Get("X-Elastic-Product"))
		assert.NotContains(t, got.text, "secret")
		var answer struct {
			Errors bool
			Items  []map[string]struct {
				Index  string `json:"_index"`
				Status int
				Error  *struct{ Type, Reason string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(got.text), &answer))
		assert.True(t, answer.Errors)
		var statuses []int
		for _, item := range answer.Items {
			for _, r := range item {
				statuses = append(statuses, r.Status)
				assert.Equal(t, r.Status == 201, r.Error == nil)
			}
		}
		assert.Equal(t, []int{201, 201, 400, 400, 400, 400}, statuses)
		assert.Equal(t, "other", answer.Items[1]["create"].Index)

		all := s.stored()
		require.Len(t, all, 2)
		first, second := all[0], all[1]
		assert.Equal(t, map[string]any{"service.name": "shop", "deployment.environment.name": "prod", "host.name": "h", "host.ip": []any{"1.2.3.4"}}, first.resource)
		assert.Equal(t, "served", first.Body().Str())
		assert.Equal(t, "2026-11-29T06:15:02.123Z", first.Timestamp().AsTime().Format(time.RFC3339Nano))
		assert.Equal(t, plog.SeverityNumberWarn, first.SeverityNumber())
		assert.Equal(t, traceText, first.TraceID().String())
		assert.Equal(t, spanText, first.SpanID().String())
		assert.Equal(t, map[string]any{"exception.message": "boom", "http.response.status_code": int64(200), "log.file.path": "/a.log", "client.address": "9.9.9.9",
			"tags": []any{"a"}, "n": int64(9007199254740993), "elasticsearch.index": "logs", "log.record.uid": "a1"}, first.Attributes().AsRaw())
		assert.NotZero(t, second.Timestamp())
		assert.Contains(t, second.Attributes().AsRaw(), "log.record.uid")
	}
}

// Shippers that know nothing of ECS send the names of host and service as texts. A name in ECS's place takes precedence.
func TestBulkWithPlainNames(t *testing.T) {
	s := start(t, nil, nil)
	got := s.send("POST", "/_bulk", "application/x-ndjson", bulkAction+`{"host":"h","service":"shop","message":"a"}`+"\n"+
		bulkAction+`{"host":"short","host.name":"h","service":7,"message":"b"}`+"\n")
	require.Equal(t, http.StatusOK, got.code, got.text)
	all := s.stored()
	require.Len(t, all, 2)
	assert.Equal(t, map[string]any{"host.name": "h", "service.name": "shop"}, all[0].resource)
	assert.Equal(t, map[string]any{"host.name": "h"}, all[1].resource)
	assert.Equal(t, "short", all[1].Attributes().AsRaw()["host"])
	assert.Equal(t, int64(7), all[1].Attributes().AsRaw()["service"])
}

func TestBulkRefusals(t *testing.T) {
	s := start(t, nil, func(c *ingestreceiver.Config) { c.Shippers.MaxItems, c.Shippers.MaxBody = 1, 1000 })
	for name, c := range map[string]struct {
		method, body string
		code         int
		kind         string
	}{
		"empty":            {"POST", "\n", 400, "illegal_argument_exception"},
		"no action":        {"POST", "{\"secret\":1}\n{}\n", 400, "illegal_argument_exception"},
		"no document":      {"PUT", bulkAction, 400, "illegal_argument_exception"},
		"too many":         {"POST", strings.Repeat(bulkAction+"{}\n", 2), 413, "illegal_argument_exception"},
		"too large":        {"POST", bulkAction + strings.Repeat(" ", 1000), 413, "illegal_argument_exception"},
		"GET":              {"GET", "", 405, "illegal_argument_exception"},
		"nested too deep":  {"POST", bulkAction + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), 200, ""},
		"not the last one": {"POST", bulkAction + "[1]\n", 200, ""},
	} {
		got := s.send(c.method, "/_bulk", "application/x-ndjson", c.body)
		assert.Equal(t, c.code, got.code, "%s: %s", name, got.text)
		assert.Equal(t, "Elasticsearch", got.header.Get("X-Elastic-Product"), name)
		assert.NotContains(t, got.text, "secret", name)
		if c.kind != "" {
			var answer struct {
				Status int
				Error  struct{ Type, Reason string }
			}
			require.NoError(t, json.Unmarshal([]byte(got.text), &answer), name)
			assert.Equal(t, c.code, answer.Status)
			assert.Equal(t, c.kind, answer.Error.Type)
			assert.NotEmpty(t, answer.Error.Reason)
		} else {
			assert.Contains(t, got.text, `"errors":true`, name)
		}
	}
	assert.Empty(t, s.stored())
}

// The requests that Filebeat, Logstash, Fluent Bit, Vector and the clients of several languages make before they send.
func TestElasticProbes(t *testing.T) {
	s := start(t, nil, nil)
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/", `"number":"8.`},
		{"HEAD", "/", ""},
		{"GET", "/_license?human=false", `"status":"active"`},
		{"GET", "/_xpack", `"license"`},
		{"GET", "/_cluster/health", `"green"`},
		{"GET", "/_nodes/http", `"nodes"`},
		{"HEAD", "/_index_template/logs", ""},
		{"PUT", "/_index_template/logs", `"acknowledged":true`},
		{"GET", "/_ilm/policy/filebeat", ""},
		{"PUT", "/_ingest/pipeline/filebeat", `"acknowledged":true`},
	} {
		got := s.send(c.method, c.path, "", "")
		assert.Equal(t, 200, got.code, c.path)
		assert.Contains(t, got.text, c.want, c.path)
		assert.Equal(t, "Elasticsearch", got.header.Get("X-Elastic-Product"), c.path)
		assert.Equal(t, js, got.header.Get("Content-Type"))
	}
	assert.Equal(t, 404, s.send("GET", "/_search", "", "").code)
	assert.Equal(t, 405, s.send("POST", "/", "", "").code)
}

func TestHEC(t *testing.T) {
	s := start(t, nil, nil)
	body := `{"time":1700000000.123456,"host":"h","source":"/a","sourcetype":"st","index":"main","event":"a line","fields":{"level":"warn","service.name":"shop","k":"v","n":[1,2]}}` +
		`{"event":{"message":"m","severity":"ERROR","n":9007199254740993},"time":"1700000001"}` + "\n" + `{"event":"metric","time":1700000002,"host":"h","fields":{"metric_name:cpu.busy":1.5,"metric_name:cpu.n":3,"core":"0"}}`
	got := s.send("POST", "/services/collector/event", "", body, "Authorization", "Splunk token")
	require.Equal(t, 200, got.code, got.text)
	assert.JSONEq(t, `{"text":"Success","code":0}`, got.text)
	all := s.stored()
	require.Len(t, all, 2)
	assert.Equal(t, map[string]any{"service.name": "shop", "host.name": "h", "com.splunk.source": "/a", "com.splunk.sourcetype": "st", "com.splunk.index": "main"}, all[0].resource)
	assert.Equal(t, "a line", all[0].Body().Str())
	assert.EqualValues(t, 1700000000123456000, all[0].Timestamp())
	assert.Equal(t, plog.SeverityNumberWarn, all[0].SeverityNumber())
	assert.Equal(t, map[string]any{"k": "v", "n": []any{int64(1), int64(2)}}, all[0].own())
	assert.Equal(t, map[string]any{"message": "m", "severity": "ERROR", "n": int64(9007199254740993)}, all[1].Body().Map().AsRaw())
	assert.Equal(t, plog.SeverityNumberError, all[1].SeverityNumber())
	require.Len(t, s.metrics.AllMetrics(), 1)
	r := s.metrics.AllMetrics()[0].ResourceMetrics().At(0)
	assert.Equal(t, map[string]any{"host.name": "h"}, r.Resource().Attributes().AsRaw())
	metrics := r.ScopeMetrics().At(0).Metrics()
	require.Equal(t, 2, metrics.Len())
	assert.Equal(t, "cpu.busy", metrics.At(0).Name())
	point := metrics.At(0).Gauge().DataPoints().At(0)
	assert.Equal(t, 1.5, point.DoubleValue())
	assert.EqualValues(t, 1700000002*1e9, point.Timestamp())
	assert.Equal(t, map[string]any{"core": "0"}, point.Attributes().AsRaw())
	assert.EqualValues(t, 3, metrics.At(1).Gauge().DataPoints().At(0).IntValue())
}

func TestHECRaw(t *testing.T) {
	s := start(t, nil, nil)
	got := s.send("POST", "/services/collector/raw/1.0?host=h&source=s&sourcetype=st&index=i&time=1700000000.5&channel=c", "text/plain", "one\r\n\ntwo\xff")
	require.Equal(t, 200, got.code, got.text)
	assert.Contains(t, got.text, `"ackId":`)
	all := s.stored()
	require.Len(t, all, 2)
	assert.Equal(t, map[string]any{"host.name": "h", "com.splunk.source": "s", "com.splunk.sourcetype": "st", "com.splunk.index": "i"}, all[1].resource)
	assert.Equal(t, "one", all[0].Body().Str())
	assert.Equal(t, []byte("two\xff"), all[1].Body().Bytes().AsRaw(), "what is no text stays as it is")
	assert.EqualValues(t, 1700000000500000000, all[1].Timestamp())
}

// The collector's own codes; one bad event does not affect the others.
func TestHECCodes(t *testing.T) {
	s := start(t, nil, func(c *ingestreceiver.Config) { c.Shippers.MaxItems, c.Shippers.MaxBody = 3, 1000 })
	for name, c := range map[string]struct {
		method, path, body, want string
		code, stored             int
	}{
		"empty":          {"POST", "", " ", `{"text":"No data","code":5}`, 400, 0},
		"no JSON":        {"POST", "/event", "secret", `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, 400, 0},
		"a bad second":   {"POST", "/event/1.0", `{"event":"a"}{"time":1}{"event":"c"}`, `{"text":"Event field is required","code":12,"invalid-event-number":1}`, 400, 2},
		"a blank one":    {"POST", "", `{"event":""}`, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 400, 0},
		"bad fields":     {"POST", "", `{"event":"a","fields":"secret"}`, `{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 400, 0},
		"a bad time":     {"POST", "", `{"event":"a","time":"secret"}`, `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, 400, 0},
		"a bad value":    {"POST", "", `{"event":"metric","fields":{"metric_name:x":"secret"}}`, `{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 400, 0},
		"no lines":       {"POST", "/raw", "\n", `{"text":"No data","code":5}`, 400, 0},
		"health":         {"GET", "/health", "", `{"text":"HEC is healthy","code":17}`, 200, 0},
		"health 1.0":     {"GET", "/health/1.0", "", `{"text":"HEC is healthy","code":17}`, 200, 0},
		"no channel":     {"POST", "/ack", `{"acks":[1]}`, `{"text":"Data channel is missing","code":10}`, 400, 0},
		"unknown ack":    {"POST", "/ack?channel=c", `{"acks":[0,9007199254740991]}`, `{"acks":{"0":false,"9007199254740991":false}}`, 200, 0},
		"too many":       {"POST", "", strings.Repeat(`{"event":"a"}`, 4), `{"text":"the request has more than 3 items (shippers::max_items)","code":27}`, 413, 0},
		"too many lines": {"POST", "/raw", "a\nb\nc\nd", `{"text":"the request has more than 3 items (shippers::max_items)","code":27}`, 413, 0},
		"too large":      {"POST", "", strings.Repeat(" ", 1001), `{"text":"the body has too many bytes (shippers::max_request_body_size)","code":27}`, 413, 0},
		"GET":            {"GET", "/event", "", `{"text":"allowed methods: POST","code":405}`, 405, 0},
	} {
		s.logs.Reset()
		got := s.send(c.method, "/services/collector"+c.path, js, c.body)
		assert.Equal(t, c.code, got.code, name)
		assert.JSONEq(t, c.want, got.text, name)
		assert.Len(t, s.stored(), c.stored, name)
	}
}

// An acknowledgement is sent when the pipeline has the events, so each one sent is true.
func TestHECAcknowledgements(t *testing.T) {
	s := start(t, nil, nil)
	var answer struct{ AckID *json.Number }
	require.NoError(t, json.Unmarshal([]byte(s.send("POST", "/services/collector", js, `{"event":"a"}`, "X-Splunk-Request-Channel", "c").text), &answer))
	require.NotNil(t, answer.AckID)
	id := answer.AckID.String()
	got := s.send("POST", "/services/collector/ack", js, `{"acks":[`+id+`]}`, "X-Splunk-Request-Channel", "c")
	assert.JSONEq(t, `{"acks":{"`+id+`":true}}`, got.text)
	refusing, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return errors.New("full") })
	require.NoError(t, err)
	s = start(t, refusing, nil)
	got = s.send("POST", "/services/collector", js, `{"event":"a"}`, "X-Splunk-Request-Channel", "c")
	assert.NotContains(t, got.text, "ackId")
}

// requests is one good request of each protocol.
func requests(t *testing.T) map[string]func(*server) raw {
	return map[string]func(*server) raw{
		"loki": func(s *server) raw { return s.send("POST", lokiPath, proto, string(snappy.Encode(nil, lokiBody(t)))) },
		"elastic": func(s *server) raw {
			return s.send("POST", "/_bulk", js, bulkAction+`{"@timestamp":1700000000000,"b":{"z":1,"a":2},"c":1,"message":"m"}`)
		},
		"splunk": func(s *server) raw {
			return s.send("POST", "/services/collector", js, `{"time":1700000000,"event":{"z":1,"a":2,"m":3},"fields":{"z":"1","a":"2"}}`)
		},
		"raw": func(s *server) raw { return s.send("POST", "/services/collector/raw?time=1700000000", "", "line") },
	}
}

// A shipper that repeats a request, because it missed the answer, sends bytes that the journal already knows.
func TestARepeatedRequestIsTheSame(t *testing.T) {
	for name, send := range requests(t) {
		s := start(t, nil, nil)
		var first []byte
		for range 5 {
			s.logs.Reset()
			require.Less(t, send(s).code, 300, name)
			require.Len(t, s.logs.AllLogs(), 1)
			bytes, err := (&plog.ProtoMarshaler{}).MarshalLogs(s.logs.AllLogs()[0])
			require.NoError(t, err)
			if first == nil {
				first = bytes
			}
			require.Equal(t, first, bytes, name)
		}
	}
}

func TestShippersAreAnsweredByThePipeline(t *testing.T) {
	for refusal, want := range map[error]int{errors.New("journal full"): 503, consumererror.NewPermanent(errors.New("secret")): 400,
		status.Error(codes.ResourceExhausted, "over a limit"): 503, status.Error(codes.InvalidArgument, "secret: no tenant"): 400} {
		next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return refusal })
		require.NoError(t, err)
		for name, send := range requests(t) {
			got := send(start(t, next, nil))
			assert.Equal(t, want, got.code, name)
			assert.Equal(t, want == 503, got.header.Get("Retry-After") != "", name)
			assert.NotContains(t, got.text, "secret", name)
			if want == 503 && (name == "splunk" || name == "raw") {
				assert.JSONEq(t, `{"text":"Server is busy","code":9}`, got.text)
			}
		}
	}
}

// A large request uses as many slots as small ones of its total size.
func TestShippersShareThePlaces(t *testing.T) {
	busy, done := make(chan struct{}), make(chan struct{})
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { busy <- struct{}{}; <-done; return nil })
	require.NoError(t, err)
	s := start(t, next, func(c *ingestreceiver.Config) { c.MaxConcurrent, c.HTTP.MaxRequestBodySize = 3, 10_000 })
	first := make(chan raw, 1)
	go func() { first <- s.send("POST", "/services/collector/raw", "", strings.Repeat("x", 20_500)) }()
	<-busy
	for name, send := range requests(t) {
		got := send(s)
		assert.Equal(t, http.StatusTooManyRequests, got.code, name)
		assert.NotEmpty(t, got.header.Get("Retry-After"), name)
	}
	close(done)
	assert.Equal(t, 200, (<-first).code)
	assert.Equal(t, http.StatusRequestEntityTooLarge, s.send("POST", "/services/collector/raw", "", strings.Repeat("x", 30_000)).code, "no number of places would do")
	assert.Equal(t, http.StatusUnsupportedMediaType, s.send("POST", lokiPath, js, "x", "Content-Encoding", "rot13").code)
	assert.Equal(t, http.StatusBadRequest, s.send("POST", "/_bulk", js, "x", "Content-Encoding", "gzip").code)
}
