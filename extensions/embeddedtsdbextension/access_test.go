package embeddedtsdbextension

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadata"
	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadatatest"
)

// tokenKeeper is an admin extension that knows one token.
type tokenKeeper struct {
	component.StartFunc
	component.ShutdownFunc
}

func (tokenKeeper) Authorize(r *http.Request, _ string) (string, error) {
	if r.Header.Get("Authorization") == "Bearer admin" || r.Header.Get("Penstock-Admin-Token") == "admin" {
		return "admin token", nil
	}
	return "", errors.New("this needs the admin token")
}

// withToken is the header of a client that may delete.
var withToken = http.Header{"Authorization": {"Bearer admin"}}

var adminHost = extensions{component.MustNewID("admin"): tokenKeeper{}}

// The requests that a page in the operator's browser could send.
func TestOtherSitesAreRefused(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI = true
	s := start(t, cfg)
	now := time.Now()
	code, _, text := s.write(v1(now, map[string]float64{"kept": 1}), contentV1)
	require.Equal(t, http.StatusNoContent, code, text)
	crossSite := http.Header{"Origin": {"http://evil.example"}, "Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"text/plain"}, "Authorization": {"Bearer admin"}}
	for _, path := range []string{
		"/api/v1/admin/tsdb/delete_series?match[]=kept", "/api/v1/admin/tsdb/clean_tombstones", "/api/v1/admin/tsdb/snapshot", "/api/v1/write", "/api/v1/query?query=1",
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			code, _, text := s.do(method, path, strings.NewReader("x"), crossSite)
			assert.Equal(t, http.StatusForbidden, code, "%s %s", method, path)
			assert.Contains(t, text, "for another site")
		}
	}
	for _, path := range []string{"/api/v1/query?query=kept", "/metrics", "/-/healthy", "/api/v1/status/config"} {
		r, err := http.NewRequest(http.MethodGet, s.url+path, nil)
		require.NoError(t, err)
		r.Host = "evil.example"
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, errors.Join(err, answer.Body.Close()))
		assert.Equal(t, http.StatusForbidden, answer.StatusCode, path)
		assert.Contains(t, string(body), "Host header must be localhost or an IP address")
	}
	assert.Len(t, s.values("kept", now), 1)
	metadatatest.AssertEqualExtensionEmbeddedTsdbRefusedRequests(t, s.tel, []metricdata.DataPoint[int64]{
		{Attributes: attribute.NewSet(attribute.String("reason", "cross_site")), Value: 15},
		{Attributes: attribute.NewSet(attribute.String("reason", "host")), Value: 4},
	}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}

// The operator may open the API to one origin, for a dashboard that queries from the browser.
func TestAListedOriginMayQuery(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.HTTP.CORS = configoptional.Some(confighttp.CORSConfig{AllowedOrigins: []string{"https://grafana.example"}})
	s := start(t, cfg)
	for origin, want := range map[string]int{"https://grafana.example": http.StatusOK, "https://evil.example": http.StatusForbidden} {
		code, header, text := s.do(http.MethodPost, "/api/v1/query?query=1", nil, http.Header{"Origin": {origin}, "Sec-Fetch-Site": {"cross-site"}})
		assert.Equal(t, want, code, text)
		if want == http.StatusOK {
			assert.Equal(t, origin, header.Get("Access-Control-Allow-Origin"))
		}
	}
}

func TestTheAdminAPINeedsTheToken(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI = true
	s := startIn(t, cfg, adminHost)
	now := time.Now()
	code, _, text := s.write(v1(now, map[string]float64{"kept": 1}), contentV1)
	require.Equal(t, http.StatusNoContent, code, text)
	for _, header := range []http.Header{nil, {"Authorization": {"Bearer wrong"}}} {
		for _, path := range []string{
			"/api/v1/admin/tsdb/delete_series?match[]=kept", "/api/v1/admin/tsdb/clean_tombstones", "/api/v1/admin/tsdb/snapshot",
			"/api/v1/%61dmin/tsdb/delete_series?match[]=kept", "/api/v1//admin/tsdb/snapshot", "/api/v1/x/../admin/tsdb/snapshot",
		} {
			for _, method := range []string{http.MethodPost, http.MethodPut} {
				code, answer, text := s.do(method, path, nil, header)
				assert.Equal(t, http.StatusUnauthorized, code, "%s %s", method, path)
				assert.Contains(t, text, "needs the admin token")
				assert.Contains(t, answer.Get("WWW-Authenticate"), "Bearer")
			}
		}
	}
	// No GET changes anything, with the token neither.
	for _, path := range []string{"delete_series?match[]=kept", "clean_tombstones", "snapshot"} {
		code, _, _ := s.do(http.MethodGet, "/api/v1/admin/tsdb/"+path, nil, withToken)
		assert.Equal(t, http.StatusMethodNotAllowed, code, path)
	}
	assert.Len(t, s.values("kept", now), 1)
	code, _, text = s.do(http.MethodPost, "/api/v1/admin/tsdb/delete_series?match[]=kept", nil, withToken)
	assert.Equal(t, http.StatusNoContent, code, text)
	assert.Empty(t, s.values("kept", now))
}

// Without an admin extension there is no token: only a listener with authentication deletes.
func TestTheAdminAPIWithoutAnAdminExtension(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI = true
	s := start(t, cfg)
	code, _, text := s.do(http.MethodPost, "/api/v1/admin/tsdb/clean_tombstones", nil, withToken)
	assert.Equal(t, http.StatusUnauthorized, code)
	assert.Contains(t, text, "has no admin extension")

	door := component.MustNewID("password")
	secret := http.Header{"Authorization": {"Bearer secret"}}
	for name, c := range map[string]struct {
		host   extensions
		header http.Header
		want   int
	}{
		"its own authentication is all there is":         {extensions{door: password{}}, secret, http.StatusNoContent},
		"a reader of the TSDB is no administrator":       {extensions{door: password{}, component.MustNewID("admin"): tokenKeeper{}}, secret, http.StatusUnauthorized},
		"an administrator sends both":                    {extensions{door: password{}, component.MustNewID("admin"): tokenKeeper{}}, http.Header{"Authorization": {"Bearer secret"}, "Penstock-Admin-Token": {"admin"}}, http.StatusNoContent},
		"the token does not stand in for authentication": {extensions{door: password{}, component.MustNewID("admin"): tokenKeeper{}}, withToken, http.StatusUnauthorized},
	} {
		cfg := testConfig(t, t.TempDir())
		cfg.AdminAPI = true
		cfg.HTTP.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: door}})
		s := startIn(t, cfg, c.host)
		code, _, text := s.do(http.MethodPost, "/api/v1/admin/tsdb/clean_tombstones", nil, c.header)
		assert.Equal(t, c.want, code, "%s: %s", name, text)
	}
}

func TestBeyondLoopbackNeedsAuth(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.HTTP.NetAddr.Endpoint = "0.0.0.0:0"
	assert.ErrorContains(t, cfg.Validate(), `allow_anonymous: "0.0.0.0:0" is reachable from other machines and has no auth`)
	ext, err := NewFactory().Create(t.Context(), extensiontest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	assert.ErrorContains(t, ext.Start(t.Context(), componenttest.NewNopHost()), "allow_anonymous: ", "a name is known when it is resolved")
	require.NoError(t, ext.Shutdown(t.Context()))

	cfg.AllowAnonymous = true
	start(t, cfg)
	cfg = testConfig(t, t.TempDir())
	cfg.HTTP.NetAddr.Endpoint = "0.0.0.0:0"
	cfg.HTTP.Auth = configoptional.Some(confighttp.AuthConfig{})
	assert.NoError(t, cfg.Validate())
}

// A replay in this process deletes without a connection.
func TestLocalAPI(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI = true
	s := startIn(t, cfg, adminHost)
	_, port, err := net.SplitHostPort(cfg.HTTP.NetAddr.Endpoint)
	require.NoError(t, err)
	for _, own := range []string{"http://127.0.0.1:", "http://localhost:", "http://0.0.0.0:", "https://127.0.0.1:"} {
		_, ok := s.ext.LocalAPI(own + port)
		assert.True(t, ok, own)
	}
	for _, other := range []string{
		"http://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.2:" + port, "http://10.0.0.1:" + port, "http://tsdb.example:" + port,
		"http://127.0.0.1:" + port + "/prefix", "127.0.0.1:" + port, "",
	} {
		_, ok := s.ext.LocalAPI(other)
		assert.False(t, ok, other)
	}
	now := time.Now()
	code, _, text := s.write(v1(now, map[string]float64{"gone": 1}), contentV1)
	require.Equal(t, http.StatusNoContent, code, text)
	api, _ := s.ext.LocalAPI(s.url)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodPost, fmt.Sprintf("%s/api/v1/admin/tsdb/delete_series?match[]=gone", s.url), nil))
	assert.Equal(t, http.StatusNoContent, w.Code, w.Body)
	assert.Empty(t, s.values("gone", now))

	never, err := NewFactory().Create(context.Background(), extensiontest.NewNopSettings(metadata.Type), testConfig(t, t.TempDir()))
	require.NoError(t, err)
	_, ok := never.(*tsdbExtension).LocalAPI(s.url)
	assert.False(t, ok, "one that was not started listens nowhere")
	require.NoError(t, never.Shutdown(context.Background()))
}
