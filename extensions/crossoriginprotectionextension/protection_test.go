package crossoriginprotectionextension_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configmiddleware"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/penstockhq/penstock/extensions/crossoriginprotectionextension"
	"github.com/penstockhq/penstock/extensions/crossoriginprotectionextension/internal/metadatatest"
)

var id = component.MustNewID("cross_origin_protection")

// A server with CORS and the middleware, as a receiver creates it, and the requests that a page can make a browser send.
func TestBehindAServer(t *testing.T) {
	middleware, tel := create(t)
	config := confighttp.NewDefaultServerConfig()
	config.NetAddr.Endpoint = "127.0.0.1:0"
	config.Middlewares = []configmiddleware.Config{{ID: id}}
	config.CORS = configoptional.Some(confighttp.CORSConfig{AllowedOrigins: []string{"https://app.example"}, AllowedHeaders: []string{"*"}})
	var served atomic.Int32
	server, err := config.ToServer(t.Context(), map[component.ID]component.Component{id: middleware}, componenttest.NewNopTelemetrySettings(),
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))
	require.NoError(t, err)
	listener, err := config.ToListener(t.Context())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()

	for _, c := range []struct {
		name, method string
		header       map[string]string
		want         int
		allowed      string
	}{
		{"an SDK", http.MethodPost, nil, http.StatusOK, ""},
		{"a page", http.MethodPost, map[string]string{"Origin": "http://evil.example", "Content-Type": "text/plain"}, http.StatusForbidden, ""},
		{"a page that reads", http.MethodGet, map[string]string{"Origin": "http://evil.example"}, http.StatusForbidden, ""},
		{"a form without Origin", http.MethodPost, map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusForbidden, ""},
		{"a rebound name", http.MethodPost, map[string]string{"Host": "evil.example"}, http.StatusForbidden, ""},
		{"localhost", http.MethodPost, map[string]string{"Host": "localhost:4318"}, http.StatusOK, ""},
		{"a listed page", http.MethodPost, map[string]string{"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, http.StatusOK, "https://app.example"},
		{"its preflight", http.MethodOptions, map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "POST",
			"Access-Control-Request-Headers": "content-type"}, http.StatusNoContent, "https://app.example"},
		{"another's preflight", http.MethodOptions, map[string]string{"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}, http.StatusNoContent, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+listener.Addr().String()+"/v1/logs", nil)
		require.NoError(t, err)
		for key, value := range c.header {
			r.Header.Set(key, value)
		}
		r.Host = c.header["Host"]
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, c.want, answer.StatusCode, c.name)
		assert.Equal(t, c.allowed, answer.Header.Get("Access-Control-Allow-Origin"), c.name)
	}
	assert.EqualValues(t, 3, served.Load())
	metadatatest.AssertEqualExtensionCrossOriginProtectionRefusedRequests(t, tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(attribute.String("reason", "origin")), Value: 2},
		{Attributes: attribute.NewSet(attribute.String("reason", "cross_site")), Value: 1},
		{Attributes: attribute.NewSet(attribute.String("reason", "host")), Value: 1},
	}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, server.Shutdown(t.Context()))
	require.ErrorIs(t, <-done, http.ErrServerClosed)
}

// Names are free where a listener does not trust everybody who reaches it: its configuration tells, else the connection.
func TestHostIsCheckedOnTrustingListeners(t *testing.T) {
	const conf = `
receivers:
  otlp:
    protocols:
      http: {endpoint: "127.0.0.1:1", middlewares: [{id: nesting_limit}, {id: cross_origin_protection}]}
  otlp/open:
    protocols:
      http: {endpoint: "0.0.0.0:2", middlewares: [{id: cross_origin_protection}]}
  otlp/auth:
    protocols:
      http: {endpoint: "localhost:3", middlewares: [{id: cross_origin_protection}], auth: {authenticator: door}}
  otlp/certificates:
    protocols:
      http: {endpoint: "localhost:4", middlewares: [{id: cross_origin_protection}], tls: {client_ca_file: ca.crt}}
  otlp/another:
    protocols:
      http: {endpoint: "0.0.0.0:5", middlewares: [{id: cross_origin_protection/another}]}
  otlp/odd:
    protocols:
      http: {endpoint: "nothing", middlewares: [{id: cross_origin_protection}, 7]}
`
	parsed, err := confmap.NewRetrievedFromYAML([]byte(conf))
	require.NoError(t, err)
	whole, err := parsed.AsConf()
	require.NoError(t, err)
	middleware, _ := create(t)
	require.NoError(t, middleware.(interface {
		NotifyConfig(context.Context, *confmap.Conf) error
	}).NotifyConfig(t.Context(), whole))
	loopback, outside := net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)
	for _, c := range []struct {
		name  string
		local net.Addr
		auth  client.AuthData
		want  int
	}{
		{"loopback", &net.TCPAddr{IP: loopback, Port: 1}, nil, http.StatusForbidden},
		{"all interfaces, reached by loopback", &net.TCPAddr{IP: loopback, Port: 2}, nil, http.StatusOK},
		{"all interfaces", &net.TCPAddr{IP: outside, Port: 2}, nil, http.StatusOK},
		{"auth", &net.TCPAddr{IP: loopback, Port: 3}, nil, http.StatusOK},
		{"client certificates", &net.TCPAddr{IP: loopback, Port: 4}, nil, http.StatusOK},
		{"unknown", &net.TCPAddr{IP: loopback, Port: 5}, nil, http.StatusForbidden},
		{"unknown, outside", &net.TCPAddr{IP: outside, Port: 5}, nil, http.StatusOK},
		{"unknown, authenticated", &net.TCPAddr{IP: loopback, Port: 5}, somebody{}, http.StatusOK},
		{"a socket", &net.UnixAddr{Name: "x"}, nil, http.StatusForbidden},
		{"no address", nil, nil, http.StatusOK},
	} {
		ctx := client.NewContext(t.Context(), client.Info{Auth: c.auth})
		if c.local != nil {
			ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.local)
		}
		r := httptest.NewRequest(http.MethodPost, "http://gateway.example/v1/logs", nil).WithContext(ctx)
		w := httptest.NewRecorder()
		wrap(t, middleware, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		assert.Equal(t, c.want, w.Code, c.name)
	}
}

func TestARefusalIsWhatOTLPWants(t *testing.T) {
	middleware, _ := create(t)
	h := wrap(t, middleware, http.NotFoundHandler())
	for kind, decode := range map[string]func([]byte, proto.Message) error{
		"application/json; charset=utf-8": protojson.Unmarshal, "application/x-protobuf": proto.Unmarshal,
	} {
		r, w := httptest.NewRequest(http.MethodPost, "/v1/logs", nil), httptest.NewRecorder()
		r.Header.Set("Origin", "http://evil.example")
		r.Header.Set("Content-Type", kind)
		h.ServeHTTP(w, r)
		assert.Equal(t, http.StatusForbidden, w.Code)
		var got spb.Status
		require.NoError(t, decode(w.Body.Bytes(), &got))
		assert.Equal(t, int32(codes.PermissionDenied), got.GetCode())
		assert.Contains(t, got.GetMessage(), "PENSTOCK_CORS_ORIGINS")
	}
}

// The parts of a request that the JSON decoder quotes are removed from the answer, and nothing else is.
func TestNoPieceOfABodyComesBack(t *testing.T) {
	middleware, _ := create(t)
	for name, c := range map[string]struct{ said, want string }{
		"a decoder's error": {
			"ReadObjectCB: expect : after object field, but found S, error found in #10 byte of ...|S3cret|..., bigger context ...|{\"S3cret|...",
			"the body is not OTLP in JSON (ReadObjectCB)",
		},
		"another refusal": {"the request is nested more than 250 deep", "the request is nested more than 250 deep"},
	} {
		answer, err := protojson.Marshal(status.New(codes.InvalidArgument, c.said).Proto())
		require.NoError(t, err)
		h := wrap(t, middleware, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, err := w.Write(answer)
			assert.NoError(t, err)
		}))
		r, w := httptest.NewRequest(http.MethodPost, "/v1/logs", strings.NewReader("{")), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
		assert.Equal(t, http.StatusBadRequest, w.Code, name)
		var got spb.Status
		require.NoError(t, protojson.Unmarshal(w.Body.Bytes(), &got), name)
		assert.Equal(t, c.want, got.GetMessage(), name)
		assert.Equal(t, int32(codes.InvalidArgument), got.GetCode(), name)
	}
	h := wrap(t, middleware, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, http.NewResponseController(w).Flush(), "what is below stays within reach")
		_, _ = io.WriteString(w, "fine")
	}))
	r, w := httptest.NewRequest(http.MethodPost, "/v1/logs", strings.NewReader("{}")), httptest.NewRecorder()
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(w, r)
	assert.Equal(t, "fine", w.Body.String())
}

func TestReadmeExampleLoads(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Len(t, blocks, 1)
	parsed, err := confmap.NewRetrievedFromYAML(blocks[0][1])
	require.NoError(t, err)
	whole, err := parsed.AsConf()
	require.NoError(t, err)
	sub, err := whole.Sub("receivers::otlp::protocols::http")
	require.NoError(t, err)
	server := confighttp.NewDefaultServerConfig()
	require.NoError(t, sub.Unmarshal(&server))
	assert.Equal(t, []configmiddleware.Config{{ID: id}}, server.Middlewares)
	assert.NoError(t, confmap.Validate(crossoriginprotectionextension.NewFactory().CreateDefaultConfig()))
}

// somebody was authenticated.
type somebody struct{}

func (somebody) GetAttribute(string) any { return nil }

func (somebody) GetAttributeNames() []string { return nil }

func create(t *testing.T) (extension.Extension, *componenttest.Telemetry) {
	t.Helper()
	tel := componenttest.NewTelemetry()
	factory := crossoriginprotectionextension.NewFactory()
	set := extensiontest.NewNopSettings(factory.Type())
	set.ID, set.TelemetrySettings = id, tel.NewTelemetrySettings()
	ext, err := factory.Create(t.Context(), set, factory.CreateDefaultConfig())
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() {
		require.NoError(t, ext.Shutdown(context.Background()))
		require.NoError(t, tel.Shutdown(context.Background()))
	})
	return ext, tel
}

func wrap(t *testing.T, middleware extension.Extension, next http.Handler) http.Handler {
	t.Helper()
	wrapper, err := middleware.(extensionmiddleware.HTTPServer).GetHTTPHandler(t.Context())
	require.NoError(t, err)
	h, err := wrapper(t.Context(), next)
	require.NoError(t, err)
	return h
}
