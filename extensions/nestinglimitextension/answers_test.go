package nestinglimitextension_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/internal/partial"
)

const (
	pb = "application/x-protobuf"
	js = "application/json"
)

// ask sends a request to the extension, followed by the receiver. seen has the receiver's input.
func ask(l *limited, method, path string, body io.Reader, headers ...string) (answer *httptest.ResponseRecorder, seen *[]int) {
	seen = &[]int{}
	h := l.handler(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if request := plogotlp.NewExportRequest(); r.Header.Get("Content-Type") == pb && request.UnmarshalProto(b) == nil {
			*seen = append(*seen, request.Logs().LogRecordCount())
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		receive(w, r)
	})
	r := httptest.NewRequest(method, path, body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	answer = httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer, seen
}

// oneBad is three log records, the second of which has a trace id of three bytes, or another invalid value.
func oneBad(t *testing.T, change func(plog.LogRecord)) []byte {
	t.Helper()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty().SetSeverityText("first")
	bad := records.AppendEmpty()
	if change == nil {
		bad.SetTraceID([16]byte{1, 2, 3})
	} else {
		change(bad)
	}
	records.AppendEmpty().SetSeverityText("last")
	b, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	require.NoError(t, err)
	if change != nil {
		return b
	}
	// The id's field is 0x4a 0x10 and 16 bytes; a field of three bytes and an unknown one replace it.
	at := bytes.Index(b, []byte{0x4a, 0x10, 1, 2, 3})
	require.Positive(t, at)
	copy(b[at:], []byte{0x4a, 3, 1, 2, 3, 0x7a, 11})
	return b
}

func deepValue(r plog.LogRecord) {
	v := r.Body()
	for range 200 {
		v = v.SetEmptySlice().AppendEmpty()
	}
}

func manyAttributes(r plog.LogRecord) {
	for i := range 30 {
		r.Attributes().PutBool(strings.Repeat("k", i), true)
	}
}

func large(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("x", 50_000)) }

func TestOneBadItemOverHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		change         func(plog.LogRecord)
		reason, saying string
	}{
		"an id":           {nil, "malformed", "resourceLogs[0].scopeLogs[0].logRecords[1] is not a valid message of OTLP"},
		"too deep":        {deepValue, "depth", "logRecords[1] is nested more than 100 deep (max_depth)"},
		"many attributes": {manyAttributes, "attributes", "logRecords[1] has more than 20 attributes in one place (max_attributes)"},
		"too large":       {large, "item_size", "logRecords[1] has more than 50000 bytes with its resource and scope (max_item_size)"},
	} {
		l := create(t, small())
		answer, seen := ask(l, http.MethodPost, "/v1/logs", bytes.NewReader(oneBad(t, c.change)), "Content-Type", pb)
		require.Equal(t, http.StatusOK, answer.Code, name)
		response := plogotlp.NewExportResponse()
		require.NoError(t, response.UnmarshalProto(answer.Body.Bytes()))
		assert.EqualValues(t, 1, response.PartialSuccess().RejectedLogRecords(), name)
		assert.Contains(t, response.PartialSuccess().ErrorMessage(), c.saying)
		assert.Equal(t, []int{2}, *seen, "the two others are received once")
		assert.Equal(t, map[string]int64{c.reason: 1}, l.metric("rejected_items"))
		assert.Empty(t, l.metric("refused_requests"))
		l.releasesAll()
	}
	l := create(t, small())
	text := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"a"},{"traceId":"secret"},{"flags":null}]}]}]}`
	answer, seen := ask(l, http.MethodPost, "/v1/logs", strings.NewReader(text), "Content-Type", js)
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.JSONEq(t, `{"partialSuccess":{"rejectedLogRecords":"1",
		"errorMessage":"resourceLogs[0].scopeLogs[0].logRecords[1].traceId is not 32 hexadecimal digits"}}`, answer.Body.String())
	assert.Equal(t, js, answer.Header().Get("Content-Type"))
	assert.Equal(t, []int{2}, *seen)
	assert.Equal(t, map[string]int64{"malformed": 1}, l.metric("rejected_items"))

	l = create(t, small())
	text = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"a"},{"body":{"stringValue":"` + strings.Repeat("x", 50_000) + `"}},{"flags":null}]}]}]}`
	answer, seen = ask(l, http.MethodPost, "/v1/logs", strings.NewReader(text), "Content-Type", js)
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.JSONEq(t, `{"partialSuccess":{"rejectedLogRecords":"1",
		"errorMessage":"resourceLogs[0].scopeLogs[0].logRecords[1] has more than 50000 bytes with its resource and scope (max_item_size)"}}`, answer.Body.String())
	assert.Equal(t, []int{2}, *seen)
	text = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"` + strings.Repeat("x", 50_000) + `"}}]}]}]}`
	answer, _ = ask(l, http.MethodPost, "/v1/logs", strings.NewReader(text), "Content-Type", js)
	assert.Equal(t, http.StatusBadRequest, answer.Code, "nothing is left of it: permanent")
	assert.Contains(t, answer.Body.String(), "max_item_size")
	assert.Equal(t, map[string]int64{"item_size": 1}, l.metric("refused_requests"))
}

func TestOneBadItemOverGRPC(t *testing.T) {
	for name, change := range map[string]func(plog.LogRecord){"an id": nil, "too deep": deepValue, "many attributes": manyAttributes, "too large": large} {
		l := create(t, small())
		conn, received := grpcServer(l)
		var answer []byte
		require.NoError(t, conn.Invoke(t.Context(), export, oneBad(t, change), &answer, grpc.ForceCodec(raw{})), name)
		response := plogotlp.NewExportResponse()
		require.NoError(t, response.UnmarshalProto(answer))
		assert.EqualValues(t, 1, response.PartialSuccess().RejectedLogRecords(), name)
		assert.Contains(t, response.PartialSuccess().ErrorMessage(), "logRecords[1]")
		assert.EqualValues(t, 2, received.records.Load(), name)
		l.releasesAll()
	}
	conn, _ := grpcServer(create(t, small()))
	answer := []byte("untouched")
	require.NoError(t, conn.Invoke(t.Context(), export, []byte{}, &answer, grpc.ForceCodec(raw{})))
	assert.Empty(t, answer, "full success says nothing")
}

// Items that a component after the receiver leaves out are in the answer, with those that were left out here.
func TestItemsLeftOutBehindTheReceiver(t *testing.T) {
	l := create(t, small())
	h := l.handler(func(w http.ResponseWriter, r *http.Request) {
		partial.Reject(r.Context(), 2, "resource attribute tenant.id: no")
		receive(w, r)
	})
	for _, kind := range []string{pb, js} {
		body := oneBad(t, nil)
		if kind == js {
			body = []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"a"},{"traceId":"secret"},{"flags":null}]}]}]}`)
		}
		r, answer := httptest.NewRequest(http.MethodPost, "/v1/logs", bytes.NewReader(body)), httptest.NewRecorder()
		r.Header.Set("Content-Type", kind)
		h.ServeHTTP(answer, r)
		require.Equal(t, http.StatusOK, answer.Code)
		response := plogotlp.NewExportResponse()
		if kind == js {
			require.NoError(t, response.UnmarshalJSON(answer.Body.Bytes()))
		} else {
			require.NoError(t, response.UnmarshalProto(answer.Body.Bytes()))
		}
		assert.EqualValues(t, 3, response.PartialSuccess().RejectedLogRecords())
		assert.Contains(t, response.PartialSuccess().ErrorMessage(), "logRecords[1]")
		assert.Contains(t, response.PartialSuccess().ErrorMessage(), "; resource attribute tenant.id: no")
	}

	conn, received := grpcServer(l)
	received.reject = 2
	response, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), request(3))
	require.NoError(t, err)
	assert.EqualValues(t, 2, response.PartialSuccess().RejectedLogRecords())
	assert.Equal(t, "resource attribute tenant.id: no", response.PartialSuccess().ErrorMessage())
}

func TestFullSuccessSaysNothing(t *testing.T) {
	answer, _ := ask(create(t, small()), http.MethodPost, "/v1/logs", strings.NewReader("{}"), "Content-Type", "Application/JSON; charset=UTF-8")
	other, _ := ask(create(t, small()), http.MethodPost, "/v1/logs", strings.NewReader("{}"), "Content-Type", js+"; charset=utf8")
	assert.Equal(t, http.StatusOK, other.Code, "a name that many write")
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.Equal(t, "{}", answer.Body.String())
	answer, _ = ask(create(t, small()), http.MethodPost, "/v1/logs", strings.NewReader(""), "Content-Type", pb)
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.Empty(t, answer.Body.String())
	assert.Equal(t, pb, answer.Header().Get("Content-Type"))
}

// Every refusal is a Status, in protobuf for clients that sent protobuf.
func TestRefusalsAreStatuses(t *testing.T) {
	for name, c := range map[string]struct {
		method, kind string
		headers      []string
		code         int
		header       string
	}{
		"GET":               {http.MethodGet, "", nil, http.StatusMethodNotAllowed, "Allow"},
		"PUT protobuf":      {http.MethodPut, pb, nil, http.StatusMethodNotAllowed, "Allow"},
		"OPTIONS":           {http.MethodOptions, "", nil, http.StatusMethodNotAllowed, "Allow"},
		"another encoding":  {http.MethodPost, js, []string{"Content-Encoding", "br"}, http.StatusUnsupportedMediaType, "Accept-Encoding"},
		"two encodings":     {http.MethodPost, pb, []string{"Content-Encoding", "gzip", "Content-Encoding", "zstd"}, http.StatusUnsupportedMediaType, "Accept-Encoding"},
		"another charset":   {http.MethodPost, js + "; charset=utf-16", nil, http.StatusUnsupportedMediaType, ""},
		"malformed":         {http.MethodPost, js, nil, http.StatusBadRequest, ""},
		"malformed in gzip": {http.MethodPost, pb, []string{"Content-Encoding", "gzip"}, http.StatusBadRequest, ""},
	} {
		answer, _ := ask(create(t, small()), c.method, "/v1/logs", strings.NewReader("secret\xff"), append(c.headers, "Content-Type", c.kind)...)
		assert.Equal(t, c.code, answer.Code, name)
		var s spb.Status
		if c.kind == pb {
			assert.Equal(t, pb, answer.Header().Get("Content-Type"), name)
			require.NoError(t, proto.Unmarshal(answer.Body.Bytes(), &s), name)
		} else {
			assert.Equal(t, js, answer.Header().Get("Content-Type"), name)
			require.NoError(t, protojson.Unmarshal(answer.Body.Bytes(), &s), name)
		}
		assert.NotZero(t, s.GetCode(), name)
		assert.NotContains(t, s.GetMessage(), "secret")
		if c.header != "" {
			assert.NotEmpty(t, answer.Header().Get(c.header), name)
		}
	}
}

func TestNamesOfEncodings(t *testing.T) {
	for _, name := range []string{"gzip", "GZIP", "x-gzip", " gzip ", "identity, gzip"} {
		answer, _ := ask(create(t, small()), http.MethodPost, "/v1/logs", zipped(t, "{}"), "Content-Type", js, "Content-Encoding", name)
		assert.Equal(t, http.StatusOK, answer.Code, name)
	}
	answer, _ := ask(create(t, small()), http.MethodPost, "/v1/logs", strings.NewReader("{}"), "Content-Type", js, "Content-Encoding", "Identity")
	assert.Equal(t, http.StatusOK, answer.Code)
}

// An error text that is not UTF-8 keeps its status.
func TestErrorTextsOfAnyBytes(t *testing.T) {
	for _, kind := range []string{pb, js} {
		h := create(t, small()).handler(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no room for \xff\xfe", http.StatusServiceUnavailable)
		})
		r := httptest.NewRequest(http.MethodPost, "/v1/logs", strings.NewReader(map[string]string{js: "{}"}[kind]))
		r.Header.Set("Content-Type", kind)
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
		var s spb.Status
		if kind == pb {
			require.NoError(t, proto.Unmarshal(answer.Body.Bytes(), &s))
		} else {
			require.NoError(t, protojson.Unmarshal(answer.Body.Bytes(), &s))
		}
		assert.Contains(t, s.GetMessage(), "no room for")
	}
}

// The receiver sees the path that the client meant. Others stay as they are.
func TestSlashes(t *testing.T) {
	for path, want := range map[string]string{
		"//v1/logs": "/v1/logs", "/v1/logs/": "/v1/logs", "///v1//traces//": "/v1/traces", "/v1/metrics": "/v1/metrics",
		"//v1/../v1/logs": "//v1/../v1/logs", "//other": "//other", "/": "/",
	} {
		var seen string
		h := create(t, small()).handler(func(w http.ResponseWriter, r *http.Request) {
			seen = r.URL.Path
			w.WriteHeader(http.StatusNotFound)
		})
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.URL.Path = path
		r.Header.Set("Content-Type", js)
		h.ServeHTTP(httptest.NewRecorder(), r)
		assert.Equal(t, want, seen, path)
	}
}
