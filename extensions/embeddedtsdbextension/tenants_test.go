package embeddedtsdbextension

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/tenant"
)

// keyring is an authenticator whose keys are "<tenant> <scope>,<scope>"; the tenant - is none.
type keyring struct {
	component.StartFunc
	component.ShutdownFunc
}

type heldKey struct {
	tenant string
	scopes []string
}

func (k heldKey) GetAttribute(name string) any {
	switch name {
	case "tenant":
		return k.tenant
	case "scopes":
		return k.scopes
	}
	return nil
}

func (heldKey) GetAttributeNames() []string { return nil }

func (keyring) Authenticate(ctx context.Context, header map[string][]string) (context.Context, error) {
	given := http.Header(header).Get("X-Api-Key")
	name, scopes, ok := strings.Cut(given, " ")
	if !ok {
		return ctx, errors.New("who are you?")
	}
	if named := http.Header(header).Get(tenant.MetadataKey); named != "" {
		ctx = tenant.With(ctx, named)
	}
	info := client.FromContext(ctx)
	info.Auth = heldKey{strings.Trim(name, "-"), strings.Split(scopes, ",")}
	return client.NewContext(ctx, info), nil
}

// tenants starts an extension that keeps tenants apart.
func tenants(t *testing.T, change func(*Config)) *server {
	t.Helper()
	door := component.MustNewID("keys")
	cfg := testConfig(t, t.TempDir())
	cfg.AdminAPI, cfg.TenantLabel = true, "tenant_id"
	cfg.HTTP.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: door}})
	if change != nil {
		change(cfg)
	}
	return startIn(t, cfg, extensions{door: keyring{}})
}

const (
	all    = " read,ingest,erase"
	master = " admin,ingest"
)

func with(key string) http.Header { return http.Header{"X-Api-Key": {key}} }

// store writes a series of each kind as the key's tenant, by both versions of remote write. word is in all its names and values.
func (s *server) store(key, word string, now time.Time) {
	s.t.Helper()
	ms := now.UnixMilli()
	one := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:    []prompb.Label{{Name: "__name__", Value: word + "_one"}, {Name: "tenant_id", Value: "mallory"}, {Name: word + "_label", Value: word + "-value"}},
		Samples:   []prompb.Sample{{Value: 1, Timestamp: ms}},
		Exemplars: []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: word + "-trace"}}, Value: 1, Timestamp: ms}},
	}}}
	two := &writev2.Request{
		Symbols: []string{"", "__name__", word + "_two_total", "job", word + "-job", word + " help"},
		Timeseries: []writev2.TimeSeries{{
			LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{{Value: 2, Timestamp: ms}, {Value: 3, Timestamp: ms + 1}},
			Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 5},
		}},
	}
	for contentType, msg := range map[string]proto.Message{contentV1: one, contentV2: two} {
		raw, err := proto.Marshal(msg)
		require.NoError(s.t, err)
		header := with(key)
		header["Content-Type"], header["Content-Encoding"] = []string{contentType}, []string{"snappy"}
		code, _, text := s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)), header)
		require.Equal(s.t, http.StatusNoContent, code, text)
	}
}

// askAs sends a request that would see everything, if the route answered with everything, and returns status and decoded answer.
func (s *server) askAs(method, path, key string, form url.Values) (int, string) {
	s.t.Helper()
	var body io.Reader
	header := with(key)
	switch {
	case path == "/api/v1/read":
		read := &prompb.ReadRequest{Queries: []*prompb.Query{{EndTimestampMs: time.Now().Add(time.Hour).UnixMilli(), Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_RE, Name: "__name__", Value: ".+"}}}}}
		if form.Has("chunks") {
			read.AcceptedResponseTypes = []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}
		}
		raw, err := proto.Marshal(read)
		require.NoError(s.t, err)
		body = bytes.NewReader(snappy.Encode(nil, raw))
		header["Content-Type"], header["Content-Encoding"] = []string{contentV1}, []string{"snappy"}
	case method == http.MethodPost:
		body = strings.NewReader(form.Encode())
		header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	default:
		path += "?" + form.Encode()
	}
	code, _, text := s.do(method, path, body, header)
	if plain, err := snappy.Decode(nil, []byte(text)); err == nil {
		text = string(plain)
	}
	return code, text
}

// Each route that Prometheus registers, with the keys of two tenants: neither sees a row or a name of the other.
func TestNoRouteShowsAnotherTenant(t *testing.T) {
	s := tenants(t, nil)
	now := time.Now()
	s.store("acme"+all, "acme", now)
	s.store("beta"+all, "beta", now)
	everything := url.Values{
		"query": {`{__name__=~".+"}`}, "match[]": {`{__name__=~".+"}`}, "start": {fmt.Sprint(now.Unix() - 600)}, "end": {fmt.Sprint(now.Unix() + 5)}, "step": {"5"}, "search": {"a"},
	}
	// Where a tenant finds its own data.
	found := map[string]bool{
		"/query": true, "/query_range": true, "/query_exemplars": true, "/labels": true, "/label/:name/values": true, "/series": true, "/metadata": true, "/read": true,
	}
	for name, need := range needs {
		path := apiPrefix + strings.ReplaceAll(name, ":name", "__name__")
		if name == "/metrics" {
			path = name
		}
		if name == "/*path" || name == deletePath || name == "/write" {
			continue // OPTIONS has no answer; routes that change something have separate tests
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, form := range []url.Values{everything, {"query": {`{tenant_id!=""}`}, "match[]": {`{tenant_id!="x"}`}, "chunks": {"1"}}, {"query": {`count({__name__=~".+"}) by (__name__,tenant_id) or vector(1)`}}} {
				for own, other := range map[string]string{"acme": "beta", "beta": "acme"} {
					code, text := s.askAs(method, path, own+all, form)
					assert.NotContains(t, text, other, "%s %s %v", method, path, form)
					if form.Has("search") && code != http.StatusMethodNotAllowed && code != http.StatusNotFound {
						assert.Equal(t, found[name], strings.Contains(text, own), "%s %s: %d %s", method, path, code, text)
					}
					if need.Operator && code != http.StatusMethodNotAllowed {
						assert.Equal(t, http.StatusForbidden, code, "%s %s", method, path)
					}
				}
				code, _ := s.askAs(method, path, "acme ingest", form)
				if len(need.Scopes) > 0 && need.Scopes[0] == access.Read && code != http.StatusMethodNotAllowed {
					assert.Equal(t, http.StatusForbidden, code, "%s %s by who only sends", method, path)
				}
			}
		}
	}
	code, text := s.askAs(http.MethodGet, "/api/v1/label/tenant_id/values", "acme"+all, everything)
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, text, `["acme"]`, "no name of another tenant")
	code, text = s.askAs(http.MethodGet, "/api/v1/query", "boss"+master, everything)
	assert.Equal(t, http.StatusOK, code, text)
	for _, word := range []string{"acme_one", "beta_two_total", `"tenant_id":"acme"`} {
		assert.Contains(t, text, word, "an operator sees all")
	}
	assert.NotContains(t, text, "mallory", "what a client writes about tenants does not count")
	code, text = s.askAs(http.MethodGet, "/api/v1/metadata", "boss"+master, nil)
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, text, "acme help")
	assert.Contains(t, text, "beta help")
	code, _ = s.askAs(http.MethodGet, "/api/v1/status/tsdb", "boss"+master, nil)
	assert.Equal(t, http.StatusOK, code)
}

// A route that a newer Prometheus registers, and of which nothing is said here, fails this test, and is the operator's until then.
func TestEveryRegisteredRouteHasANeed(t *testing.T) {
	registered := map[string]bool{}
	var mu sync.Mutex
	cfg := testConfig(t, t.TempDir())
	s := launch(t, cfg, func(e *tsdbExtension) {
		e.openDatabase = func(set database.Settings, l *database.Loading) (*database.DB, error) {
			inner := set.Guard
			set.Guard = func(name string, h http.HandlerFunc) http.HandlerFunc {
				mu.Lock()
				registered[name] = true
				mu.Unlock()
				return inner(name, h)
			}
			return database.Open(set, l)
		}
	})
	<-s.ext.opened
	mu.Lock()
	defer mu.Unlock()
	for name := range registered {
		assert.Contains(t, needs, name)
	}
	for name := range needs {
		assert.Contains(t, registered, name)
	}
	assert.Equal(t, admin.Need{Operator: true}, needOf("/tomorrow"))
	assert.Len(t, routes(), len(needs)-1+len(probes))
}

func TestATenantErasesItsOwnAlone(t *testing.T) {
	s := tenants(t, nil)
	now := time.Now()
	s.store("acme"+all, "acme", now)
	s.store("beta"+all, "beta", now)
	everything := url.Values{"match[]": {`{__name__=~".+"}`}}
	for key, want := range map[string]int{"acme read,ingest": http.StatusForbidden, "acme replay": http.StatusForbidden, "acme erase": http.StatusNoContent} {
		code, text := s.askAs(http.MethodPost, apiPrefix+deletePath, key, everything)
		assert.Equal(t, want, code, text)
	}
	for _, path := range []string{"/admin/tsdb/clean_tombstones", "/admin/tsdb/snapshot"} {
		code, text := s.askAs(http.MethodPost, apiPrefix+path, "acme erase", nil)
		assert.Equal(t, http.StatusForbidden, code, text)
	}
	for key, want := range map[string]bool{"acme": false, "beta": true} {
		code, text := s.askAs(http.MethodGet, "/api/v1/query", key+all, url.Values{"query": {`{__name__=~".+"}`}})
		assert.Equal(t, http.StatusOK, code)
		assert.Equal(t, want, strings.Contains(text, "__name__"), text)
	}
}

func TestWhoMayWriteAndAsWhom(t *testing.T) {
	s := tenants(t, nil)
	now := time.Now()
	for _, key := range []string{"acme read", "acme admin", "acme erase,replay,decrypt"} {
		code, text := s.askAs(http.MethodPost, "/api/v1/write", key, nil)
		assert.Equal(t, http.StatusForbidden, code, text)
	}
	send := func(key, named, own string) {
		series := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "sent"}}, Samples: []prompb.Sample{{Value: 1, Timestamp: now.UnixMilli()}}}
		if own != "" {
			series.Labels = append(series.Labels, prompb.Label{Name: "tenant_id", Value: own})
		}
		raw, err := proto.Marshal(&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{series}})
		require.NoError(t, err)
		header := with(key)
		header["Content-Type"], header["Content-Encoding"] = []string{contentV1}, []string{"snappy"}
		if named != "" {
			header["X-Scope-Orgid"] = []string{named}
		}
		code, _, text := s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)), header)
		require.Equal(t, http.StatusNoContent, code, text)
	}
	send("acme ingest", "beta", "gamma") // acme
	send("- forward", "delta", "gamma")  // delta
	send("- forward", "", "gamma")       // gamma
	send("- forward", "", "")            // default
	code, text := s.askAs(http.MethodGet, "/api/v1/label/tenant_id/values", "boss"+master, nil)
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, text, `["acme","default","delta","gamma"]`)
}

// Without tenant_label a client with a tenant sees nothing; an operator does.
func TestWithoutATenantLabelATenantSeesNothing(t *testing.T) {
	s := tenants(t, func(c *Config) { c.TenantLabel = "" })
	code, text := s.askAs(http.MethodGet, "/api/v1/query", "acme read", url.Values{"query": {"1"}})
	assert.Equal(t, http.StatusForbidden, code)
	assert.Contains(t, text, "tenant_label is not set")
	code, _ = s.askAs(http.MethodGet, "/api/v1/query", "boss"+master, url.Values{"query": {"1"}})
	assert.Equal(t, http.StatusOK, code)
	cfg := testConfig(t, t.TempDir())
	for _, bad := range []string{"tenant.id", "__tenant__", "1st"} {
		cfg.TenantLabel = bad
		assert.ErrorContains(t, cfg.Validate(), "tenant_label: ")
	}
}
