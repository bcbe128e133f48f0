package deadletterextension_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstockhq/penstock/extensions/deadletterextension"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/metadatatest"
	"github.com/penstockhq/penstock/internal/readmetest"
)

// server is a gateway that answers as decide says, one request at a time.
type server struct {
	plogotlp.UnimplementedGRPCServer
	decide   func(bodies []string) error // set before begin
	rejected int64                       // set before begin

	mu     sync.Mutex
	taken  []string // guarded by mu
	header string   // guarded by mu
}

func (s *server) Export(ctx context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	resp := plogotlp.NewExportResponse()
	bodies := bodiesOf(req)
	s.mu.Lock()
	defer s.mu.Unlock()
	if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("x-key")) > 0 {
		s.header = md.Get("x-key")[0]
	}
	if err := s.decide(bodies); err != nil {
		return resp, err
	}
	s.taken = append(s.taken, bodies...)
	resp.PartialSuccess().SetRejectedLogRecords(s.rejected)
	return resp, nil
}

func (s *server) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := append([]string{}, s.taken...)
	sort.Strings(sorted)
	return sorted
}

func bodiesOf(req plogotlp.ExportRequest) (bodies []string) {
	for _, rl := range req.Logs().ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				bodies = append(bodies, r.Body().Str())
			}
		}
	}
	return bodies
}

func logs(bodies ...string) plogotlp.ExportRequest {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, body := range bodies {
		records.AppendEmpty().Body().SetStr(body)
	}
	return plogotlp.NewExportRequestFromLogs(logs)
}

// begin starts the extension and a server; export sends like an exporter, which retries retryable statuses.
func begin(t *testing.T, dir string, s *server, options ...grpc.ServerOption) (export func(context.Context, plogotlp.ExportRequest) (plogotlp.ExportResponse, error), tel *componenttest.Telemetry) {
	t.Helper()
	tel = componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	return dial(t, start(t, dir, tel), s, options...), tel
}

// dial starts a server, and connects to it through the extension.
func dial(t *testing.T, ext component.Component, s *server, options ...grpc.ServerOption) func(context.Context, plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	t.Helper()
	clientOptions, err := ext.(extensionmiddleware.GRPCClient).GetGRPCClientOptions(t.Context())
	require.NoError(t, err)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(options...)
	plogotlp.RegisterGRPCServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); require.NoError(t, <-done) })
	conn, err := grpc.NewClient(listener.Addr().String(), append(clientOptions, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	client := plogotlp.NewGRPCClient(conn)
	return func(ctx context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
		return client.Export(ctx, req)
	}
}

func start(t *testing.T, dir string, tel *componenttest.Telemetry) component.Component {
	t.Helper()
	factory := deadletterextension.NewFactory()
	cfg := factory.CreateDefaultConfig().(*deadletterextension.Config)
	cfg.Directory, cfg.RetryInterval, cfg.MaxParked = dir, 10*time.Millisecond, 2
	require.NoError(t, cfg.Validate())
	set := extensiontest.NewNopSettings(factory.Type())
	set.TelemetrySettings = tel.NewTelemetrySettings()
	ext, err := factory.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, ext.Shutdown(context.Background())) })
	return ext
}

// dead returns the bodies of all dead letters by file.
func dead(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pb"))
	require.NoError(t, err)
	all := map[string][]string{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		req := plogotlp.NewExportRequest()
		require.NoError(t, req.UnmarshalProto(body))
		all[filepath.Base(file)] = bodiesOf(req)
	}
	return all
}

func take([]string) error { return nil }

// One record of 5 MiB between 50 small ones, and a server that takes 4 MiB: the 50 pass, the one is a file.
func TestOneRecordThatIsTooLargeCostsItself(t *testing.T) {
	s, dir := &server{decide: take}, t.TempDir()
	export, tel := begin(t, dir, s)
	bodies := make([]string, 0, 51)
	for i := range 50 {
		bodies = append(bodies, fmt.Sprintf("small %02d", i))
	}
	large := strings.Repeat("x", 5<<20)
	_, err := export(t.Context(), logs(append(append(append([]string{}, bodies[:25]...), large), bodies[25:]...)...))
	require.NoError(t, err)
	assert.Equal(t, bodies, s.all())
	files := dead(t, dir)
	require.Len(t, files, 1)
	for name, got := range files {
		assert.Equal(t, []string{large}, got)
		assert.Regexp(t, `^\d{8}T\d{6}\.\d{9}Z-logs-1-too_large\.pb$`, name)
	}
	metadatatest.AssertEqualExtensionDeadLetterItems(t, tel, []metricdata.DataPoint[int64]{{Value: 1,
		Attributes: attribute.NewSet(attribute.String("signal", "logs"), attribute.String("reason", "too_large"))}},
		metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExtensionDeadLetterSize(t, tel, []metricdata.DataPoint[int64]{{Value: int64(len(large)) + 25}},
		metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreValue())
}

// A refusal that an operator can resolve reaches the exporter as UNAVAILABLE, with the cause in its text; a status that OTLP retries is unchanged.
func TestStatuses(t *testing.T) {
	for code, want := range map[codes.Code]codes.Code{
		codes.Unauthenticated: codes.Unavailable, codes.PermissionDenied: codes.Unavailable, codes.NotFound: codes.Unavailable,
		codes.Unimplemented: codes.Unavailable, codes.ResourceExhausted: codes.Unavailable, codes.Internal: codes.Unavailable,
		codes.Unknown: codes.Unavailable, codes.FailedPrecondition: codes.Unavailable, codes.Code(42): codes.Unavailable,
		codes.Unavailable: codes.Unavailable, codes.Aborted: codes.Aborted, codes.OutOfRange: codes.OutOfRange, codes.DataLoss: codes.DataLoss,
	} {
		t.Run(code.String(), func(t *testing.T) {
			dir := t.TempDir()
			export, _ := begin(t, dir, &server{decide: func([]string) error { return status.Error(code, "the words of the server") }})
			req := logs("a", "b")
			for range 3 {
				_, err := export(t.Context(), req)
				assert.Equal(t, want, status.Code(err))
				assert.ErrorContains(t, err, "the words of the server")
				if code != want {
					assert.ErrorContains(t, err, strings.ToUpper(code.String())+": ")
				}
			}
			assert.Empty(t, dead(t, dir))
		})
	}
}

func TestDelaysAreKeptAndBounded(t *testing.T) {
	delay, code := time.Second, codes.ResourceExhausted
	export, _ := begin(t, t.TempDir(), &server{decide: func([]string) error {
		s, err := status.New(code, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
		return errors.Join(s.Err(), err)
	}})
	asked := func() (codes.Code, time.Duration) {
		_, err := export(t.Context(), logs("a"))
		s := status.Convert(err)
		for _, d := range s.Details() {
			return s.Code(), d.(*errdetails.RetryInfo).GetRetryDelay().AsDuration()
		}
		return s.Code(), 0
	}
	for _, c := range []struct {
		code  codes.Code
		delay time.Duration
		want  codes.Code
		wait  time.Duration
	}{
		{codes.ResourceExhausted, time.Second, codes.ResourceExhausted, time.Second},
		{codes.Unavailable, time.Second, codes.Unavailable, time.Second},
		{codes.Unavailable, 1000 * time.Hour, codes.Unavailable, 5 * time.Minute},
		{codes.PermissionDenied, 1000 * time.Hour, codes.Unavailable, 5 * time.Minute},
		{codes.NotFound, -time.Hour, codes.Unavailable, 0},
	} {
		code, delay = c.code, c.delay
		gotCode, gotDelay := asked()
		assert.Equal(t, c.want, gotCode)
		assert.Equal(t, c.wait, gotDelay)
	}
}

// A server fails for all: two requests are parked, over a restart too, and they pass with the headers of the exporter when the server does.
func TestParkedRequestsWaitOnDisk(t *testing.T) {
	failing := func([]string) error { return status.Error(codes.Internal, "my disk is gone") }
	s, dir := &server{decide: failing}, t.TempDir()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-key", "secret")
	t.Run("before", func(t *testing.T) {
		export, tel := begin(t, dir, s)
		for i := range 2 {
			req := logs(fmt.Sprint("parked ", i), "neighbour")
			require.Eventually(t, func() bool { _, err := export(ctx, req); return err == nil }, 30*time.Second, time.Millisecond)
		}
		metadatatest.AssertEqualExtensionDeadLetterParkedRequests(t, tel, []metricdata.DataPoint[int64]{{Value: 2}}, metricdatatest.IgnoreTimestamp())
		third := logs("third")
		for range 20 {
			_, err := export(ctx, third)
			require.Error(t, err, "it stays in the queue")
		}
		assert.Empty(t, s.all())
	})
	assert.Empty(t, dead(t, dir))
	s = &server{decide: take}
	export, _ := begin(t, dir, s)
	// The server has another address now: requests that were parked for the old one keep waiting for it.
	_, err := export(ctx, logs("new"))
	require.NoError(t, err)
	assert.Equal(t, []string{"new"}, s.all())
	parked, err := filepath.Glob(filepath.Join(dir, "parked", "*", "logs", "*.pb"))
	require.NoError(t, err)
	assert.Len(t, parked, 2)
}

func TestParkedRequestsAreSentWhenTheServerIsWell(t *testing.T) {
	var mu sync.Mutex
	broken := true
	s, dir := &server{}, t.TempDir()
	s.decide = func(bodies []string) error {
		mu.Lock()
		defer mu.Unlock()
		if broken || bodies[0] == "poison" {
			return status.Error(codes.Unknown, "panic")
		}
		return nil
	}
	export, _ := begin(t, dir, s)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-key", "secret")
	for _, body := range []string{"good", "poison"} {
		req := logs(body)
		require.Eventually(t, func() bool { _, err := export(ctx, req); return err == nil }, 30*time.Second, time.Millisecond)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	s.mu.Lock()
	s.header = ""
	s.mu.Unlock()
	n := 0
	require.Eventually(t, func() bool { // others pass meanwhile
		n++
		_, err := export(ctx, logs(fmt.Sprint("other ", n)))
		return err == nil && strings.Contains(strings.Join(s.all(), " "), "good") && len(dead(t, dir)) == 1
	}, 30*time.Second, 5*time.Millisecond)
	for _, bodies := range dead(t, dir) {
		assert.Equal(t, []string{"poison"}, bodies)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Equal(t, "secret", s.header)
}

func TestPartialSuccessIsCounted(t *testing.T) {
	s := &server{decide: take, rejected: 2}
	export, tel := begin(t, t.TempDir(), s)
	resp, err := export(t.Context(), logs("a", "b", "c"))
	require.NoError(t, err)
	assert.Equal(t, int64(2), resp.PartialSuccess().RejectedLogRecords(), "the exporter sees it too")
	metadatatest.AssertEqualExtensionDeadLetterRejectedItems(t, tel, []metricdata.DataPoint[int64]{{Value: 2,
		Attributes: attribute.NewSet(attribute.String("signal", "logs"))}}, metricdatatest.IgnoreTimestamp())
}

// The directory can't be written: the exporter keeps the request.
func TestADirectoryThatIsGoneLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dead")
	s := &server{decide: func(bodies []string) error {
		if bodies[0] == "bad" {
			return status.Error(codes.InvalidArgument, "no")
		}
		return nil
	}}
	export, _ := begin(t, dir, s)
	_, err := export(t.Context(), logs("good"))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	req := logs("bad", "good")
	_, err = export(t.Context(), req)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.NoError(t, os.MkdirAll(dir, 0o700))
	_, err = export(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, []string{"good", "good"}, s.all())
	assert.Len(t, dead(t, dir), 1)
}

func TestOtherServicesPass(t *testing.T) {
	ext := start(t, t.TempDir(), componenttest.NewTelemetry())
	options, err := ext.(extensionmiddleware.GRPCClient).GetGRPCClientOptions(t.Context())
	require.NoError(t, err)
	conn, err := grpc.NewClient("127.0.0.1:1", append(options, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
			return status.Error(codes.PermissionDenied, "no")
		}))...)
	require.NoError(t, err)
	defer conn.Close()
	assert.Equal(t, codes.Unavailable, status.Code(conn.Invoke(t.Context(), "/other/Export", nil, nil)))
}

// Over HTTP the same, in gzip as the exporter sends it.
func TestHTTP(t *testing.T) {
	dir, tel := t.TempDir(), componenttest.NewTelemetry()
	ext := start(t, dir, tel)
	wrap, err := ext.(extensionmiddleware.HTTPClient).GetHTTPRoundTripper(t.Context())
	require.NoError(t, err)
	client, err := wrap(t.Context(), http.DefaultTransport)
	require.NoError(t, err)
	var mu sync.Mutex
	var taken []string // guarded by mu
	var answer atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if !assert.NoError(t, err) {
			return
		}
		if r.Header.Get("Content-Encoding") == "" {
			req := plogotlp.NewExportRequest()
			if !assert.NoError(t, req.UnmarshalProto(body)) {
				return
			}
			bodies := bodiesOf(req)
			if strings.Contains(strings.Join(bodies, " "), "bad") {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, bodies...)
			return
		}
		if status := int(answer.Load()); status != 0 {
			w.Header().Set("Retry-After", "99999999")
			w.WriteHeader(status)
			return
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}))
	defer target.Close()
	raw, err := logs("one", "bad", "two").MarshalProto()
	require.NoError(t, err)
	send := func(body []byte, coding string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target.URL+"/v1/logs", bytes.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-protobuf")
		req.Header.Set("Content-Encoding", coding)
		resp, err := client.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	assert.Equal(t, 200, send(compressed(t, raw), "gzip").StatusCode)
	mu.Lock()
	assert.Equal(t, []string{"one", "two"}, taken)
	mu.Unlock()
	assert.Len(t, dead(t, dir), 1)
	for _, status := range []int32{301, 401, 403, 404, 407, 408, 500, 501} {
		answer.Store(status)
		resp := send(compressed(t, raw), "gzip")
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, status)
		assert.Equal(t, "300", resp.Header.Get("Retry-After"))
	}
	answer.Store(429)
	assert.Equal(t, 429, send(compressed(t, raw), "gzip").StatusCode)
	assert.Equal(t, 429, send(raw, "br").StatusCode, "a coding nobody knows passes as it is")
}

func TestConfig(t *testing.T) {
	assert.EqualError(t, (&deadletterextension.Config{MaxSize: 1, MaxParked: -1}).Validate(), "directory: must be set\n"+
		"max_size: 1 must be at least 67108864\nmax_parked: -1 must not be negative\nretry_interval: 0s must be positive\nmax_delay: 0s must be positive")
}

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", deadletterextension.NewFactory(), nil), 1)
}
