package embeddedtsdbextension

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadata"
)

// The calls that Grafana's Prometheus data source makes: its health check, the query builder's lists, panels, exemplars, rules.
func TestGrafanasCalls(t *testing.T) {
	s := start(t, testConfig(t, t.TempDir()))
	now := time.Now()
	code, _, text := s.write(v1(now, map[string]float64{"orders_total": 42, "stock": 7}), contentV1)
	require.Equal(t, http.StatusNoContent, code, text)
	span := url.Values{"start": {now.Add(-time.Hour).Format(time.RFC3339)}, "end": {now.Add(time.Minute).Format(time.RFC3339)}}
	form := func(more ...string) url.Values {
		v := url.Values{}
		for name, values := range span {
			v[name] = values
		}
		for i := 0; i+1 < len(more); i += 2 {
			v.Add(more[i], more[i+1])
		}
		return v
	}
	for _, c := range []struct {
		method, path string
		form         url.Values
		want         string
	}{
		{http.MethodGet, "/api/v1/status/buildinfo", nil, `"version"`},
		{http.MethodPost, "/api/v1/query", url.Values{"query": {"1+1"}}, `"2"`},
		{http.MethodPost, "/api/v1/query_range", form("query", `sum(orders_total)`, "step", "15"), `"42"`},
		{http.MethodPost, "/api/v1/labels", form(), `"__name__","job"`},
		{http.MethodGet, "/api/v1/label/__name__/values", form(), `["orders_total","stock"]`},
		{http.MethodGet, "/api/v1/label/job/values", form("match[]", "stock"), `["shop"]`},
		{http.MethodPost, "/api/v1/series", form("match[]", `{job="shop"}`), `"__name__":"stock"`},
		{http.MethodGet, "/api/v1/metadata", url.Values{"limit": {"10"}}, `"status":"success"`},
		{http.MethodPost, "/api/v1/query_exemplars", form("query", "orders_total"), `"status":"success"`},
		{http.MethodGet, "/api/v1/rules", nil, `"groups"`},
		{http.MethodGet, "/api/v1/alerts", nil, `"alerts"`},
		{http.MethodPost, "/api/v1/format_query", url.Values{"query": {"sum(a)by(b)"}}, `sum by (b) (a)`},
	} {
		path, body, header := c.path, "", http.Header{}
		if c.method == http.MethodPost {
			body, header = c.form.Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		} else if c.form != nil {
			path += "?" + c.form.Encode()
		}
		code, _, text := s.do(c.method, path, strings.NewReader(body), header)
		assert.Equal(t, http.StatusOK, code, "%s: %s", c.path, text)
		assert.Contains(t, text, c.want, c.path)
	}
}

func TestQueryTimeout(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.Query.Timeout = 200 * time.Millisecond // long enough for a slot: a query that times out before that gets another message
	s := start(t, cfg)
	code, _, text := s.do(http.MethodGet, "/api/v1/query?query="+url.QueryEscape(`sum_over_time(vector(time())[1d:10ms])`), nil, nil)
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Contains(t, text, "query timed out")
}

type extensions map[component.ID]component.Component

func (e extensions) GetExtensions() map[component.ID]component.Component { return e }

// password lets one token in.
type password struct {
	component.StartFunc
	component.ShutdownFunc
}

func (password) Authenticate(ctx context.Context, header map[string][]string) (context.Context, error) {
	for name, values := range header {
		if strings.EqualFold(name, "authorization") && len(values) == 1 && values[0] == "Bearer secret" {
			return ctx, nil
		}
	}
	return ctx, errors.New("who are you?")
}

func TestTLSAndAuthentication(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})

	auth := component.MustNewID("password")
	cfg := testConfig(t, t.TempDir())
	cfg.HTTP.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: auth}})
	cfg.HTTP.TLS = configoptional.Some(configtls.ServerConfig{Config: configtls.Config{
		CertPem: configopaque.String(certificate),
		KeyPem:  configopaque.String(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})),
	}})
	require.NoError(t, cfg.Validate())
	ext, err := NewFactory().Create(t.Context(), extensiontest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), extensions{auth: password{}}))
	t.Cleanup(func() { require.NoError(t, ext.Shutdown(context.Background())) })
	<-ext.(*tsdbExtension).opened

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	t.Cleanup(client.CloseIdleConnections)
	for token, want := range map[string]int{"": http.StatusUnauthorized, "Bearer wrong": http.StatusUnauthorized, "Bearer secret": http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+cfg.HTTP.NetAddr.Endpoint+"/api/v1/query?query=1", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", token)
		resp, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want, resp.StatusCode, token)
		assert.Equal(t, 2, resp.ProtoMajor)
	}
}
