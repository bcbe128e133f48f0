package quotaextension_test

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
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/penstockhq/penstock/extensions/quotaextension"
	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/internal/tenant"
)

// made is an extension and its telemetry.
type made struct {
	extension.Extension
	door.Door
	tel *componenttest.Telemetry
}

func create(t *testing.T, conf string) *made {
	t.Helper()
	f := quotaextension.NewFactory()
	cfg := f.CreateDefaultConfig().(*quotaextension.Config)
	require.NoError(t, confOf(t, conf).Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
	tel := componenttest.NewTelemetry()
	set := extensiontest.NewNopSettings(f.Type())
	set.TelemetrySettings = tel.NewTelemetrySettings()
	e, err := f.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() {
		require.NoError(t, e.Shutdown(context.Background()))
		require.NoError(t, tel.Shutdown(context.Background()))
	})
	return &made{e, e.(door.Door), tel}
}

func confOf(t *testing.T, text string) *confmap.Conf {
	t.Helper()
	r, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(t, err)
	conf, err := r.AsConf()
	require.NoError(t, err)
	return conf
}

func (m *made) wrap(t *testing.T, next http.HandlerFunc) http.Handler {
	t.Helper()
	wrapper, err := m.Extension.(extensionmiddleware.HTTPServer).GetHTTPHandler(t.Context())
	require.NoError(t, err)
	h, err := wrapper(t.Context(), next)
	require.NoError(t, err)
	return h
}

// post sends a body of n bytes as tenant acme.
func post(ctx context.Context, h http.Handler, n int) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v1/logs", bytes.NewReader(make([]byte, n))).WithContext(tenant.With(ctx, "acme"))
	r.Header.Set("Content-Type", "application/x-protobuf")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func reads(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, "the body ended early", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
}

const acmeOnly = "overrides: [{tenant: acme, limits: {bytes_per_second: 1000}}]"

// A request past the quota is answered before its body is read, in OTLP's form, and passes after the delay in the answer.
func TestHTTPIsDecidedByContentLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := create(t, acmeOnly)
		h := m.wrap(t, reads)
		require.Equal(t, http.StatusOK, post(t.Context(), h, 1000).Code)
		for kind, decode := range map[string]func([]byte, proto.Message) error{"application/json; charset=utf-8": protojson.Unmarshal, "application/x-protobuf": proto.Unmarshal} {
			r := httptest.NewRequest(http.MethodPost, "/v1/logs", nil).WithContext(tenant.With(t.Context(), "acme"))
			r.Body, r.ContentLength = io.NopCloser(unreadable{t}), 1500
			r.Header.Set("Content-Type", kind)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, http.StatusTooManyRequests, w.Code)
			assert.Equal(t, "1", w.Header().Get("Retry-After"))
			var s spb.Status
			require.NoError(t, decode(w.Body.Bytes(), &s))
			assert.Equal(t, int32(codes.ResourceExhausted), s.GetCode())
			assert.Contains(t, s.GetMessage(), "bytes_per_second: 1000")
		}
		assert.Equal(t, http.StatusOK, post(tenant.With(t.Context(), "other"), h, 0).Code)
		time.Sleep(time.Second)
		require.Equal(t, http.StatusOK, post(t.Context(), h, 1500).Code, "it is larger than the burst, and the bucket is full")
		refused := post(t.Context(), h, 1000)
		assert.Equal(t, "2", refused.Header().Get("Retry-After"), "1.5 s")
		refusals(t, m, map[string]int64{"tenant bytes_per_second ": 3})
	})
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// A chunked body is charged as it is read. Past the quota the answer is the same, whatever the handler says of a body that ends early.
func TestAChunkedBodyIsChargedAsItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := create(t, acmeOnly).wrap(t, reads)
		chunked := func(n int) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, "/v1/logs", iotestReader{strings.NewReader(strings.Repeat("x", n))}).WithContext(tenant.With(t.Context(), "acme"))
			require.EqualValues(t, -1, r.ContentLength)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		require.Equal(t, http.StatusOK, chunked(300).Code)
		refused := chunked(900)
		assert.Equal(t, http.StatusTooManyRequests, refused.Code)
		assert.Equal(t, "1", refused.Header().Get("Retry-After"))
		assert.NotContains(t, refused.Body.String(), "ended early")
		assert.Equal(t, http.StatusOK, post(t.Context(), h, 700).Code, "what was read of the refused one is given back")
		time.Sleep(time.Second)
		assert.Equal(t, http.StatusOK, chunked(5000).Code, "the bucket was full")
		assert.Equal(t, http.StatusTooManyRequests, post(t.Context(), h, 1).Code)
	})
}

// iotestReader hides the length, and gives at most 100 bytes at once.
type iotestReader struct{ io.Reader }

func (r iotestReader) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 100)]) }

// A request that a pipeline refuses temporarily is refunded: the client sends it again. One that is refused permanently is not.
func TestWhatIsNotStoredIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code := http.StatusServiceUnavailable
		h := create(t, acmeOnly).wrap(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		for _, code = range []int{503, 429, 500} {
			require.Equal(t, code, post(t.Context(), h, 1000).Code)
		}
		code = http.StatusBadRequest
		require.Equal(t, code, post(t.Context(), h, 1000).Code)
		require.Equal(t, http.StatusTooManyRequests, post(t.Context(), h, 1000).Code)
		r := httptest.NewRequest(http.MethodGet, "/v1/logs", nil).WithContext(tenant.With(t.Context(), "acme"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, code, w.Code, "only what is sent counts")
	})
}

// authenticated is a client whose key has limits.
type authenticated struct {
	key          string
	limits       *quota.Override
	tenantLimits func(string) *quota.Override
}

func (a authenticated) GetAttribute(name string) any {
	switch name {
	case "key":
		return a.key
	case "limits":
		return a.limits
	case "tenant_limits":
		return a.tenantLimits
	}
	return nil
}

func (authenticated) GetAttributeNames() []string { return nil }

func with(ctx context.Context, name string, auth client.AuthData) context.Context {
	info := client.Info{Auth: auth}
	if name != "" {
		info.Metadata = client.NewMetadata(map[string][]string{tenant.MetadataKey: {name}})
	}
	return client.NewContext(ctx, info)
}

func request(ctx context.Context, m *made, n int64) error {
	r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(ctx)
	r.ContentLength = n
	_, done, err := m.Request(r, "")
	if err == nil {
		done(true)
	}
	return err
}

// Keys, tenants and services each have their quota; the file of keys goes before the configuration, and a changed limit counts at once.
func TestKeysTenantsAndServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := create(t, `
defaults: {key: {bytes_per_second: 100}, tenant: {bytes_per_second: 1000, items_per_second: 50}}
overrides:
  - {key: big, limits: {bytes_per_second: 10000}}
  - {tenant: "acme*", limits: {bytes_per_second: 0}}
  - {tenant: "acme*", service: "check*t", limits: {items_per_second: 10}}
`)
		n := func(v int64) *int64 { return &v }
		scope := func(err error) string {
			var refused *door.Error
			if !errors.As(err, &refused) {
				return ""
			}
			return string(refused.Scope) + " " + string(refused.Reason)
		}
		small, big := with(t.Context(), "one", authenticated{key: "small"}), with(t.Context(), "two", authenticated{key: "big"})
		assert.NoError(t, request(small, m, 100))
		assert.Equal(t, "key bytes_per_second", scope(request(small, m, 1)))
		assert.NoError(t, request(big, m, 1000))
		assert.Equal(t, "tenant bytes_per_second", scope(request(big, m, 1)))
		assert.NoError(t, request(with(t.Context(), "acme-1", authenticated{key: "big"}), m, 9000), "it has no limit of the tenant")

		limits, tenants := &quota.Override{BytesPerSecond: n(5)}, map[string]*quota.Override{"three": {BytesPerSecond: n(7)}}
		file := func(name string) context.Context {
			return with(t.Context(), name, authenticated{"file", limits, func(name string) *quota.Override { return tenants[name] }})
		}
		assert.NoError(t, request(file("three"), m, 5))
		assert.Equal(t, "key bytes_per_second", scope(request(file("three"), m, 5)))
		limits = &quota.Override{BytesPerSecond: n(0)}
		assert.Equal(t, "tenant bytes_per_second", scope(request(file("three"), m, 5)))
		tenants["three"] = nil
		assert.NoError(t, request(file("four"), m, 5))

		part := func(tenant, service string, items int) error {
			_, err := m.Parts(t.Context(), []door.Part{{Tenant: tenant, Service: service, Items: items}}, func() int { return items })
			return err
		}
		assert.NoError(t, part("acme-2", "checkout", 10))
		assert.Equal(t, "service items_per_second", scope(part("acme-2", "checkout", 1)))
		assert.NoError(t, part("acme-3", "checkout", 10), "another tenant's service of the same name")
		assert.NoError(t, part("acme-2", "other", 40))
		assert.Equal(t, "tenant items_per_second", scope(part("acme-2", "other", 1)))
	})
}

// If the body names the tenants, each is charged for its part of the bytes; one tenant past its quota refuses the whole request, and no tenant is
// charged.
func TestTenantsThatTheBodyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := create(t, "defaults: {tenant: {bytes_per_second: 1000}}")
		send := func(bytes int64, parts ...door.Part) (err error) {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.ContentLength = bytes
			admitted, _, err := m.Request(r.WithContext(with(t.Context(), "", nil)), "")
			require.NoError(t, err, "nobody is known yet")
			_, err = m.Parts(admitted.Context(), parts, func() int { panic("the listener knows the length") })
			return err
		}
		require.NoError(t, send(1000, door.Part{Tenant: "a", Items: 1}, door.Part{Tenant: "b", Items: 3}))
		require.NoError(t, send(700, door.Part{Tenant: "a", Items: 1}))
		require.Error(t, send(300, door.Part{Tenant: "a", Items: 1}, door.Part{Tenant: "b", Items: 9}), "b has 250 left")
		require.NoError(t, send(250, door.Part{Tenant: "b", Items: 1}))
		err := send(100, door.Part{Tenant: "a", Items: 1})
		require.Error(t, err)
		assert.Equal(t, time.Second, errors.Unwrap(err).(*quota.Refusal).Wait, "whole seconds over HTTP")
		undo, err := m.Parts(t.Context(), []door.Part{{Tenant: "c", Items: 1}}, func() int { return 900 })
		require.NoError(t, err)
		undo()
		_, err = m.Parts(t.Context(), []door.Part{{Tenant: "c", Items: 1}}, func() int { return 1000 })
		require.NoError(t, err)
	})
}

// Items that are known afterwards are owed: the next request is refused before its body is read.
func TestItemsThatAreKnownAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := create(t, "defaults: {tenant: {items_per_second: 10}}")
		acme := with(t.Context(), "acme", nil)
		require.NoError(t, request(acme, m, 1))
		m.AddDebt(acme, "", 40)
		var refused *door.Error
		require.ErrorAs(t, request(acme, m, 1), &refused)
		assert.Equal(t, quota.Items, refused.Reason)
		assert.Equal(t, 3*time.Second, refused.Wait)
		time.Sleep(3 * time.Second)
		require.NoError(t, request(acme, m, 1))
	})
}

// logsServer takes logs.
type logsServer struct {
	plogotlp.UnimplementedGRPCServer
	err error
}

func (s *logsServer) Export(context.Context, plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return plogotlp.NewExportResponse(), s.err
}

// Over gRPC the refusal is RESOURCE_EXHAUSTED with RetryInfo, and comes before the handler.
func TestGRPC(t *testing.T) {
	m := create(t, "defaults: {key: {bytes_per_second: 1, burst: 1h}}")
	options, err := m.Extension.(extensionmiddleware.GRPCServer).GetGRPCServerOptions(t.Context())
	require.NoError(t, err)
	asSomebody := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		return handler(with(ctx, "acme", authenticated{key: "k"}), req)
	}
	server := grpc.NewServer(append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(asSomebody)}, options...)...)
	handler := &logsServer{err: status.Error(codes.Unavailable, "not now")}
	plogotlp.RegisterGRPCServer(server, handler)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(strings.Repeat("x", 5000))
	var trailer grpcmetadata.MD
	export := func() *status.Status {
		_, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(logs), grpc.Trailer(&trailer))
		return status.Convert(err)
	}
	began := time.Now()
	assert.Equal(t, codes.Unavailable, export().Code())
	handler.err = nil
	assert.Equal(t, codes.OK, export().Code(), "what was not stored is given back")
	refused := export()
	require.Equal(t, codes.ResourceExhausted, refused.Code())
	delay := refused.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration()
	assert.InDelta(t, 5020, delay.Seconds(), 40+time.Since(began).Seconds(), "the request passed when the bucket was full: its bytes are owed")
	var info errdetails.RetryInfo
	require.NoError(t, proto.Unmarshal([]byte(trailer.Get("google.rpc.retryinfo-bin")[0]), &info))
	assert.Equal(t, delay, info.GetRetryDelay().AsDuration(), "where the SDK for Python looks")
	require.NoError(t, conn.Close())
	server.Stop()
	require.NoError(t, <-served)
	refusals(t, m, map[string]int64{"key bytes_per_second ": 1})
}

// Refusals are counted by name for a hundred tenants; clients without a key choose names.
func TestCountersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := create(t, "{tenant_metrics: true, defaults: {tenant: {bytes_per_second: 1}}}")
		for i := range 300 {
			ctx := with(t.Context(), fmt.Sprint("t", i), nil)
			require.NoError(t, request(ctx, m, 10))
			require.Error(t, request(ctx, m, 10))
		}
		got, err := m.tel.GetMetric("otelcol_extension_quota_refused_requests")
		require.NoError(t, err)
		assert.Len(t, points(got), 101)
		assert.Equal(t, int64(200), points(got)["tenant bytes_per_second _other"])
	})
}

func TestEveryMistakeIsNamed(t *testing.T) {
	for conf, want := range map[string][]string{
		"defaults: {tenant: {bytes_per_second: -1, burst: 2h}}":         {"defaults::tenant: bytes_per_second: -1 is not between", "burst: 2h0m0s"},
		"defaults: {key: {series: 1}}":                                  {"defaults::key: series, streams: only tenants can have these limits"},
		"overrides: [{limits: {streams: 1}}, {tenant: a}]":              {"overrides::0: needs tenant, service or key", "overrides::1: limits: at least one must be set"},
		"overrides: [{key: k, tenant: t, limits: {bytes_per_day: -5}}]": {"overrides::0: key: \"k\" already has a tenant", "overrides::0::limits: bytes_per_day: -5"},
		"{max_accounts: 0, max_streams: 0}":                             {"max_accounts: 0 is not positive", "max_streams: 0 is not positive"},
		"share: {interval: 1ms}":                                        {"share: ", "brokers: must name at least one", "interval: 1ms is not between"},
	} {
		cfg := quotaextension.NewFactory().CreateDefaultConfig().(*quotaextension.Config)
		require.NoError(t, confOf(t, conf).Unmarshal(cfg), conf)
		err := confmap.Validate(cfg)
		for _, text := range want {
			assert.ErrorContains(t, err, text, conf)
		}
	}
	cfg := quotaextension.NewFactory().CreateDefaultConfig().(*quotaextension.Config)
	assert.ErrorContains(t, confOf(t, "defaults: {tenants: {bytes_per_second: 1}}").Unmarshal(cfg), "tenants")
	assert.ErrorContains(t, confOf(t, "defaults: {tenant: {bytes_per_second: much}}").Unmarshal(cfg), "bytes_per_second")
}

// A tenant with a limit of log streams can continue with its present streams.
func TestLogStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := create(t, "overrides: [{tenant: acme, limits: {streams: 2}}]")
		send := func(name string, streams ...uint64) error {
			_, err := m.Parts(t.Context(), []door.Part{{Tenant: name, Items: 1, Streams: func() []uint64 { return streams }}}, func() int { return 1 })
			return err
		}
		require.NoError(t, send("acme", 1, 2))
		var refused *door.Error
		require.ErrorAs(t, send("acme", 1, 3), &refused)
		assert.Equal(t, quota.Streams, refused.Reason)
		assert.Equal(t, 30*time.Minute, refused.Wait)
		require.NoError(t, send("acme", 2, 1))
		require.NoError(t, send("other", 1, 2, 3))
		time.Sleep(time.Hour)
		require.NoError(t, send("acme", 3, 4))
	})
}

// The used bytes of the day stay used after a restart, those of yesterday don't; a damaged file counts as 0.
func TestBytesOfTheDaySurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "quota", "day.json")
	conf := "{day_file: " + file + ", defaults: {tenant: {bytes_per_day: 1000}, key: {bytes_per_second: 1000000}}}"
	send := func(m *made, n int64) error { return request(with(t.Context(), "acme", authenticated{key: "k"}), m, n) }
	m := create(t, conf)
	require.NoError(t, send(m, 700))
	require.NoError(t, m.Shutdown(t.Context()))

	m = create(t, conf)
	var refused *door.Error
	require.ErrorAs(t, send(m, 400), &refused)
	assert.Equal(t, quota.Day, refused.Reason)
	require.NoError(t, send(m, 300))
	// kill -9 forgets at most a second: the file has the earlier usage.
	assert.Eventually(t, func() bool {
		content, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(content), `"bytes":1000}`)
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, m.Shutdown(t.Context()))

	content, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotContains(t, string(content), `"key"`, "what has no limit of the day is not there")
	for _, other := range []string{strings.Replace(string(content), `{"day":`, `{"day":1`, 1), "{", ""} {
		require.NoError(t, os.WriteFile(file, []byte(other), 0o600))
		m = create(t, conf)
		require.NoError(t, send(m, 700), other)
		require.NoError(t, m.Shutdown(t.Context()))
	}
}

func TestReadmeExamplesLoad(t *testing.T) {
	readmetest.Load(t, "extensions", quotaextension.NewFactory(), nil)
}

// refusals compares the counter with the expected values, by "scope reason tenant".
func refusals(t *testing.T, m *made, want map[string]int64) {
	t.Helper()
	got, err := m.tel.GetMetric("otelcol_extension_quota_refused_requests")
	require.NoError(t, err)
	assert.Equal(t, want, points(got))
}

func points(m metricdata.Metrics) map[string]int64 {
	all := map[string]int64{}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		of := func(name string) string {
			v, _ := p.Attributes.Value(attribute.Key(name))
			return v.AsString()
		}
		all[of("scope")+" "+of("reason")+" "+of("tenant")] = p.Value
	}
	return all
}
