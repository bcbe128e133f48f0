package nestinglimitextension_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/golang/snappy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension"
	"github.com/penstockhq/penstock/internal/partial"
	"github.com/penstockhq/penstock/internal/readmetest"
)

// request has one log record whose body is depth arrays in each other.
func request(depth int) plogotlp.ExportRequest {
	logs := plog.NewLogs()
	value := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body()
	for range depth {
		value = value.SetEmptySlice().AppendEmpty()
	}
	value.SetStr("bottom")
	return plogotlp.NewExportRequestFromLogs(logs)
}

// limited is a started extension with small limits.
type limited struct {
	t   *testing.T
	ext extension.Extension
	tel *componenttest.Telemetry
}

func small() *nestinglimitextension.Config {
	cfg := nestinglimitextension.NewFactory().CreateDefaultConfig().(*nestinglimitextension.Config)
	cfg.MaxDepth = 100
	cfg.MaxItems = 100
	cfg.MaxResources = 50
	cfg.MaxAttributes = 20
	cfg.MaxRequestSize = 100_000
	cfg.MaxItemSize = 50_000
	cfg.MaxReading = 1_000_000
	return cfg
}

func create(t *testing.T, cfg *nestinglimitextension.Config) *limited {
	t.Helper()
	require.NoError(t, confmap.Validate(cfg))
	tel := componenttest.NewTelemetry()
	factory := nestinglimitextension.NewFactory()
	set := extensiontest.NewNopSettings(factory.Type())
	set.TelemetrySettings = tel.NewTelemetrySettings()
	ext, err := factory.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() {
		require.NoError(t, ext.Shutdown(context.Background()))
		require.NoError(t, tel.Shutdown(context.Background()))
	})
	return &limited{t, ext, tel}
}

// metric returns a counter by reason, or a gauge under "".
func (l *limited) metric(name string) map[string]int64 {
	got := map[string]int64{}
	m, err := l.tel.GetMetric("otelcol_extension_nesting_limit_" + name)
	if err != nil {
		return got // nothing yet
	}
	var points []metricdata.DataPoint[int64]
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		points = data.DataPoints
	case metricdata.Gauge[int64]:
		points = data.DataPoints
	}
	for _, p := range points {
		reason, _ := p.Attributes.Value("reason")
		got[reason.AsString()] = p.Value
	}
	return got
}

// releasesAll waits until no request holds memory: over gRPC it is released behind the answer.
func (l *limited) releasesAll() {
	l.t.Helper()
	assert.Eventually(l.t, func() bool { return l.metric("in_flight")[""] == 0 }, time.Minute, time.Millisecond)
}

// handler wraps next as a receiver does.
func (l *limited) handler(next http.HandlerFunc) http.Handler {
	wrap, err := l.ext.(extensionmiddleware.HTTPServer).GetHTTPHandler(l.t.Context())
	require.NoError(l.t, err)
	h, err := wrap(l.t.Context(), next)
	require.NoError(l.t, err)
	return h
}

// receive answers like the stock receiver: an empty partial success, or 400 with the decoder's error.
func receive(w http.ResponseWriter, r *http.Request) {
	kind := r.Header.Get("Content-Type")
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = r.Body.Close()
	}
	if err == nil && kind == "application/x-protobuf" {
		err = plogotlp.NewExportRequest().UnmarshalProto(body)
	}
	w.Header().Set("Content-Type", kind)
	if err != nil {
		answer, _ := proto.Marshal(status.New(codes.InvalidArgument, err.Error()).Proto())
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(answer)
		return
	}
	_, _ = io.WriteString(w, "\x0a\x00")
}

// resources is a request of n resources without anything in them.
func resources(n int) plogotlp.ExportRequest {
	logs := plog.NewLogs()
	for range n {
		logs.ResourceLogs().AppendEmpty()
	}
	return plogotlp.NewExportRequestFromLogs(logs)
}

func zipped(t *testing.T, text string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return &b
}

func TestHTTP(t *testing.T) {
	pbf := func(r plogotlp.ExportRequest) io.Reader {
		b, err := r.MarshalProto()
		require.NoError(t, err)
		return bytes.NewReader(b)
	}
	json := func(r plogotlp.ExportRequest) io.Reader {
		b, err := r.MarshalJSON()
		require.NoError(t, err)
		return bytes.NewReader(b)
	}
	for name, c := range map[string]struct {
		kind, encoding string
		body           io.Reader
		want           int
		says, reason   string
	}{
		"protobuf":            {pb, "", pbf(request(20)), http.StatusOK, "", ""},
		"deep protobuf":       {pb, "", pbf(request(1000)), http.StatusBadRequest, "nested more than 100 deep (max_depth)", "depth"},
		"JSON":                {js + "; charset=utf-8", "", json(request(20)), http.StatusOK, "", ""},
		"deep JSON":           {js, "", json(request(1000)), http.StatusBadRequest, `"message":`, "depth"},
		"resources":           {pb, "", pbf(resources(51)), http.StatusBadRequest, "more than 50 resources (max_resources)", "resources"},
		"resources in JSON":   {js, "", json(resources(51)), http.StatusBadRequest, "more than 50 resources (max_resources)", "resources"},
		"other types pass":    {"text/plain", "", strings.NewReader(strings.Repeat("[", 1000)), http.StatusOK, "", ""},
		"not a type at all":   {";;", "", strings.NewReader("x"), http.StatusOK, "", ""},
		"unreadable":          {js, "", iotest.ErrReader(errors.New("secret")), http.StatusBadRequest, "can't be read", "malformed"},
		"too large":           {js, "", strings.NewReader(strings.Repeat(" ", 100_001)), http.StatusRequestEntityTooLarge, "more than 100000 bytes (max_request_size)", "request_size"},
		"gzip":                {js, "gzip", zipped(t, "{}"), http.StatusOK, "", ""},
		"bomb in gzip":        {js, "gzip", zipped(t, strings.Repeat(" ", 10<<20)), http.StatusRequestEntityTooLarge, "more than 100000 bytes (max_request_size)", "request_size"},
		"bomb in snappy":      {js, "snappy", bytes.NewReader(snappy.Encode(nil, make([]byte, 1<<20))), http.StatusRequestEntityTooLarge, "more than 100000 bytes", "request_size"},
		"not gzip":            {js, "gzip", strings.NewReader("secret"), http.StatusBadRequest, "can't be read", "malformed"},
		"an unknown encoding": {js, "br", strings.NewReader("secret"), http.StatusUnsupportedMediaType, "not one of gzip, zstd", "encoding"},
		"not JSON":            {js, "", strings.NewReader(`,"resourceLogs":[{}]`), http.StatusBadRequest, "not valid JSON", "malformed"},
		"not OTLP":            {js, "", strings.NewReader(`{"resourceLogs":[{"schemaUrl":{"secret":1}}]}`), http.StatusBadRequest, "resourceLogs[0].schemaUrl is not a string", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			l := create(t, small())
			passed := 0
			h := l.handler(func(w http.ResponseWriter, r *http.Request) { passed++; receive(w, r) })
			r := httptest.NewRequest(http.MethodPost, "/v1/logs", c.body)
			r.Header.Set("Content-Type", c.kind)
			if c.encoding != "" {
				r.Header.Set("Content-Encoding", c.encoding)
			}
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, r)
			assert.Equal(t, c.want, answer.Code)
			assert.Contains(t, answer.Body.String(), c.says)
			assert.NotContains(t, answer.Body.String(), "secret", "no answer repeats the body")
			refused := map[string]int64{}
			if c.reason != "" {
				refused[c.reason] = 1
				assert.Zero(t, passed)
			}
			assert.Equal(t, refused, l.metric("refused_requests"))
			assert.Zero(t, l.metric("in_flight")[""], "everything is given back")
			assert.Zero(t, l.metric("reading")[""])
		})
	}
}

// A path of the user's choice does not tell the signal: the limits of each hold.
func TestPathsOfTheUser(t *testing.T) {
	body, err := resources(51).MarshalProto()
	require.NoError(t, err)
	for _, path := range []string{"/v1/logs", "/custom", "/v1/traces"} {
		answer := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-protobuf")
		create(t, small()).handler(receive).ServeHTTP(answer, r)
		assert.Equal(t, http.StatusBadRequest, answer.Code, path)
	}
}

// Past max_in_flight a request is told to retry; when another has been answered, it is admitted.
func TestInFlight(t *testing.T) {
	cfg := small()
	cfg.MaxInFlight = 1000
	l := create(t, cfg)
	busy, done := make(chan struct{}), make(chan struct{})
	h := l.handler(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Hold") != "" {
			close(busy)
			<-done
		}
	})
	ask := func(hold string) *httptest.ResponseRecorder {
		body, err := resources(10).MarshalProto()
		require.NoError(t, err)
		answer := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/v1/logs", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-protobuf")
		r.Header.Set("Hold", hold)
		h.ServeHTTP(answer, r)
		return answer
	}
	first := make(chan int, 1)
	go func() { first <- ask("yes").Code }()
	<-busy
	assert.EqualValues(t, 1000, l.metric("in_flight")[""], "alone, a request that needs more is admitted")
	second := ask("")
	assert.Equal(t, http.StatusServiceUnavailable, second.Code)
	assert.Contains(t, second.Body.String(), "max_in_flight")
	assert.Contains(t, []string{"1", "2"}, second.Header().Get("Retry-After"))
	close(done)
	assert.Equal(t, http.StatusOK, <-first)
	assert.Equal(t, http.StatusOK, ask("").Code)
	assert.Equal(t, map[string]int64{"in_flight": 1}, l.metric("refused_requests"))
}

// A client that stops in the middle of a body holds its memory no longer than read_timeout.
func TestSlowBody(t *testing.T) {
	cfg := small()
	cfg.ReadTimeout = 100 * time.Millisecond
	l := create(t, cfg)
	server := httptest.NewServer(l.handler(receive))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /v1/logs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	assert.Equal(t, map[string]int64{"slow": 1}, l.metric("refused_requests"))
}

// grpcServer serves OTLP over gRPC with the extension.
func grpcServer(l *limited) (*grpc.ClientConn, *counting) {
	l.t.Helper()
	options, err := l.ext.(extensionmiddleware.GRPCServer).GetGRPCServerOptions(l.t.Context())
	require.NoError(l.t, err)
	options = append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		from, _ := peer.FromContext(ctx) // as receivers do
		return handler(client.NewContext(ctx, client.Info{Addr: from.Addr}), req)
	})}, options...)
	server := grpc.NewServer(options...)
	received := &counting{}
	plogotlp.RegisterGRPCServer(server, received)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(l.t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(l.t, err)
	l.t.Cleanup(func() {
		require.NoError(l.t, conn.Close())
		server.Stop()
		require.NoError(l.t, <-served)
	})
	return conn, received
}

func TestGRPC(t *testing.T) {
	for _, compressor := range []string{"", "gzip", "snappy", "zstd"} {
		t.Run(compressor, func(t *testing.T) {
			l := create(t, small())
			conn, received := grpcServer(l)
			client := plogotlp.NewGRPCClient(conn)
			options := []grpc.CallOption{grpc.UseCompressor(compressor)}
			if compressor == "" {
				options = nil
			}
			_, err := client.Export(t.Context(), request(20), options...)
			require.NoError(t, err)
			_, err = client.Export(t.Context(), request(1000), options...)
			assert.Equal(t, codes.InvalidArgument, status.Code(err))
			assert.ErrorContains(t, err, "nested more than 100 deep (max_depth)")
			_, err = client.Export(t.Context(), resources(51), options...)
			assert.Equal(t, codes.InvalidArgument, status.Code(err))
			assert.ErrorContains(t, err, "more than 50 resources (max_resources)")
			assert.EqualValues(t, 1, received.requests.Load())
			assert.Equal(t, map[string]int64{"depth": 1, "resources": 1}, l.metric("refused_requests"))
			l.releasesAll()
		})
	}
}

// raw passes bytes as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                       { return "proto" }

const export = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

func TestMalformedOverGRPC(t *testing.T) {
	l := create(t, small())
	conn, received := grpcServer(l)
	var answer []byte
	err := conn.Invoke(t.Context(), export, []byte("\x0a\x06secret"), &answer, grpc.ForceCodec(raw{}))
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
	assert.NotContains(t, err.Error(), "secret")
	assert.Zero(t, received.requests.Load())
	assert.Equal(t, map[string]int64{"malformed": 1}, l.metric("refused_requests"))
	l.releasesAll()
}

func TestInFlightOverGRPC(t *testing.T) {
	cfg := small()
	cfg.MaxInFlight = 1000
	l := create(t, cfg)
	conn, received := grpcServer(l)
	received.busy, received.done = make(chan struct{}), make(chan struct{})
	client := plogotlp.NewGRPCClient(conn)
	first := make(chan error, 1)
	go func() {
		_, err := client.Export(t.Context(), resources(10))
		first <- err
	}()
	<-received.busy
	_, err := client.Export(t.Context(), resources(10))
	refused := status.Convert(err)
	assert.Equal(t, codes.Unavailable, refused.Code())
	require.Len(t, refused.Details(), 1)
	assert.Positive(t, refused.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration())
	close(received.done)
	require.NoError(t, <-first)
	assert.Equal(t, map[string]int64{"in_flight": 1}, l.metric("refused_requests"))
}

// A message that never arrives completely is ended, and its memory is released.
func TestSlowMessageOverGRPC(t *testing.T) {
	cfg := small()
	cfg.ReadTimeout = 100 * time.Millisecond
	l := create(t, cfg)
	conn, received := grpcServer(l)
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, export, grpc.ForceCodec(raw{}))
	require.NoError(t, err)
	var answer []byte
	err = stream.RecvMsg(&answer) // nothing is ever sent
	assert.Equal(t, codes.Canceled, status.Code(err), "which OTLP lets a client repeat")
	assert.Equal(t, map[string]int64{"slow": 1}, l.metric("refused_requests"))
	assert.Zero(t, received.requests.Load())
}

func TestConfig(t *testing.T) {
	valid := func(change func(*nestinglimitextension.Config)) error {
		cfg := nestinglimitextension.NewFactory().CreateDefaultConfig().(*nestinglimitextension.Config)
		change(cfg)
		return confmap.Validate(cfg)
	}
	assert.NoError(t, valid(func(*nestinglimitextension.Config) {}))
	for want, change := range map[string]func(*nestinglimitextension.Config){
		"max_depth: 15 is not between 16 and 10000":            func(c *nestinglimitextension.Config) { c.MaxDepth = 15 },
		"max_depth: 10001 is not between":                      func(c *nestinglimitextension.Config) { c.MaxDepth = 10001 },
		"max_items: 0 is not positive":                         func(c *nestinglimitextension.Config) { c.MaxItems = 0 },
		"max_resources: 0 is not positive":                     func(c *nestinglimitextension.Config) { c.MaxResources = 0 },
		"max_scopes: 0 is not positive":                        func(c *nestinglimitextension.Config) { c.MaxScopes = 0 },
		"max_attributes: 0 is not positive":                    func(c *nestinglimitextension.Config) { c.MaxAttributes = 0 },
		"max_decoded_size: -1 is not positive":                 func(c *nestinglimitextension.Config) { c.MaxDecodedSize = -1 },
		"max_request_size: 0 is not positive":                  func(c *nestinglimitextension.Config) { c.MaxRequestSize = 0 },
		"max_item_size: 0 is not positive":                     func(c *nestinglimitextension.Config) { c.MaxItemSize = 0 },
		"max_item_size: 50000000 is more than max_request_siz": func(c *nestinglimitextension.Config) { c.MaxItemSize = 50_000_000 },
		"max_in_flight: 0 is not positive":                     func(c *nestinglimitextension.Config) { c.MaxInFlight = 0 },
		"max_reading: 1 is less than three times max_request_": func(c *nestinglimitextension.Config) { c.MaxReading = 1 },
		"read_timeout: 0s is not positive":                     func(c *nestinglimitextension.Config) { c.ReadTimeout = 0 },
	} {
		assert.ErrorContains(t, valid(change), want)
	}
}

func TestReadmeExampleLoads(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", nestinglimitextension.NewFactory(), nil), 1)
}

// counting is an OTLP server that counts requests, and can hold the first one back.
type counting struct {
	plogotlp.UnimplementedGRPCServer
	requests   atomic.Int64
	records    atomic.Int64
	busy, done chan struct{}
	reject     int           // set before the first request
	each       chan struct{} // gets a message for each request, which is then held back until done is closed
	answer     func() error
}

func (c *counting) Export(ctx context.Context, r plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	c.records.Add(int64(r.Logs().LogRecordCount()))
	partial.Reject(ctx, c.reject, "resource attribute tenant.id: no")
	if c.requests.Add(1) == 1 && c.busy != nil {
		close(c.busy)
		<-c.done
	}
	if c.each != nil {
		c.each <- struct{}{}
		<-c.done
	}
	if c.answer != nil {
		return plogotlp.NewExportResponse(), c.answer()
	}
	return plogotlp.NewExportResponse(), nil
}
