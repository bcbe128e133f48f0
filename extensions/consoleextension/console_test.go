package consoleextension_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/penstockhq/penstock/extensions/consoleextension"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

// host has an admin extension, and what else a test adds.
type host struct {
	extensions map[component.ID]component.Component
	mounted    admin.Routed
}

func (h *host) GetExtensions() map[component.ID]component.Component { return h.extensions }

type adminStub struct {
	component.Component
	*host
}

func (a adminStub) Mount(id, _ string, h http.Handler) (func(), error) {
	if id != admin.ConsoleID {
		return nil, errors.New("another id")
	}
	a.mounted = h.(admin.Routed)
	return func() { a.mounted = nil }, nil
}

// storeStub answers with the path that it was asked for.
type storeStub struct {
	component.Component
	name string
}

func (s storeStub) QueryAPI() (string, http.Handler) {
	return s.name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.String()) })
}

func newHost() *host {
	h := &host{extensions: map[component.ID]component.Component{}}
	h.extensions[component.MustNewID("admin")] = adminStub{host: h}
	return h
}

// start starts a console with the configuration.
func start(t *testing.T, h *host, conf map[string]any) extension.Extension {
	t.Helper()
	factory := consoleextension.NewFactory()
	set := extensiontest.NewNopSettings(factory.Type())
	set.BuildInfo = component.BuildInfo{Command: "penstock", Version: "1.2.3"}
	console, err := factory.Create(t.Context(), set, factory.CreateDefaultConfig())
	require.NoError(t, err)
	type watcher interface {
		NotifyConfig(context.Context, *confmap.Conf) error
	}
	require.NoError(t, console.(watcher).NotifyConfig(t.Context(), confmap.NewFromStringMap(conf)))
	require.NoError(t, console.Start(t.Context(), h))
	t.Cleanup(func() {
		require.NoError(t, console.Shutdown(context.Background()))
		assert.Nil(t, h.mounted)
	})
	return console
}

// key is what an authenticator says of a client.
type key map[string]any

func (k key) GetAttribute(name string) any { return k[name] }
func (k key) GetAttributeNames() []string  { return nil }

// get asks as a client, of whom the admin extension checks what the route needs.
func get(t *testing.T, h *host, path string, auth client.AuthData) (status int, header http.Header, body string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r = r.WithContext(client.NewContext(t.Context(), client.Info{Auth: auth}))
	w := httptest.NewRecorder()
	if need, ok := h.mounted.NeedOf(r); ok && !need.Allows(access.Of(r.Context())) {
		return http.StatusForbidden, nil, ""
	}
	h.mounted.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

var configured = map[string]any{
	"receivers": map[string]any{"otlp": nil, "kafka_replay/tsdb": map[string]any{"follow": map[string]any{"group": "tsdb"}}, "kafka_replay/jobs": map[string]any{"jobs": map[string]any{}}},
	"exporters": map[string]any{"loki": map[string]any{"headers": map[string]any{"Authorization": "Bearer hush-hush"}}},
	"service": map[string]any{
		"extensions": []any{"admin", "console"},
		"pipelines": map[string]any{
			"metrics":      map[string]any{"receivers": []any{"otlp"}, "processors": []any{"pii_scrubber"}, "exporters": []any{"forward"}},
			"metrics/tsdb": map[string]any{"receivers": []any{"kafka_replay/tsdb", "kafka_replay/jobs"}, "exporters": []any{"prometheus_tsdb"}},
		},
		"telemetry": map[string]any{"metrics": map[string]any{"readers": []any{}}},
	},
}

func TestItNeedsTheAdminExtension(t *testing.T) {
	factory := consoleextension.NewFactory()
	console, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), factory.CreateDefaultConfig())
	require.NoError(t, err)
	assert.ErrorContains(t, console.Start(t.Context(), &host{}), "add admin to service::extensions")
	assert.NoError(t, console.Shutdown(t.Context()))
}

func TestThePageRunsNothingButItsOwnModules(t *testing.T) {
	h := newHost()
	start(t, h, configured)
	status, header, body := get(t, h, "/", nil)
	require.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `src="app.js"`)
	assert.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
	policy := header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		assert.Contains(t, policy, part)
	}
	assert.NotContains(t, policy, "unsafe")
	for _, inline := range []string{"<style", " style=", "onclick", "javascript:", "http://", "https://"} {
		assert.NotContains(t, body, inline)
	}
	status, header, _ = get(t, h, "/app.js", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "text/javascript; charset=utf-8", header.Get("Content-Type"))
	for _, none := range []string{"/index.html", "/views/nothing.js"} {
		status, _, _ = get(t, h, none, nil)
		assert.Equal(t, http.StatusNotFound, status, none)
	}
}

// What a browser has to fetch is small, all views together.
func TestThePageIsSmall(t *testing.T) {
	size := int64(0)
	require.NoError(t, filepath.WalkDir("web", func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	}))
	assert.Less(t, size, int64(300<<10))
	t.Logf("%d bytes", size)
}

func TestWhatIsThere(t *testing.T) {
	h := newHost()
	h.extensions[component.MustNewID("embedded_tsdb")] = storeStub{name: "metrics"}
	h.extensions[component.MustNewIDWithName("embedded_tsdb", "other")] = storeStub{name: "metrics"}
	console := start(t, h, configured)
	watcher := console.(componentstatus.Watcher)
	loki := componentstatus.NewInstanceID(component.MustNewID("prometheus_tsdb"), component.KindExporter, pipeline.NewIDWithName(pipeline.SignalMetrics, "tsdb"))
	first := componentstatus.NewRecoverableErrorEvent(errors.New("refused <script>"))
	watcher.ComponentStatusChanged(loki, first)
	watcher.ComponentStatusChanged(loki, componentstatus.NewRecoverableErrorEvent(errors.New("refused\nagain")))

	_, _, body := get(t, h, "/v1/about", nil)
	var about struct {
		Operator, Keys     bool
		Scopes, Stores     []string
		Jobs, Components   map[string][]string
		Name, Version, For string
	}
	require.NoError(t, json.Unmarshal([]byte(body), &about))
	assert.True(t, about.Operator)
	assert.False(t, about.Keys)
	assert.Equal(t, []string{"metrics"}, about.Stores)
	assert.Equal(t, map[string][]string{"kafka_replay/jobs": {"metrics"}}, about.Jobs)
	assert.Equal(t, []string{"kafka_replay/jobs", "kafka_replay/tsdb"}, about.Components["kafka_replay"])

	_, _, body = get(t, h, "/v1/state", nil)
	assert.NotContains(t, body, "hush")
	var state struct {
		Pipelines []struct {
			ID, Signal                       string
			Receivers, Processors, Exporters []string
		}
		Groups     map[string]string
		Components []struct {
			Kind, ID, Status, Error string
			Since                   time.Time
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &state))
	require.Len(t, state.Pipelines, 2)
	assert.Equal(t, "metrics", state.Pipelines[0].ID)
	assert.Equal(t, []string{"pii_scrubber"}, state.Pipelines[0].Processors)
	assert.Equal(t, map[string]string{"kafka_replay/tsdb": "tsdb"}, state.Groups)
	require.Len(t, state.Components, 1)
	assert.Equal(t, "refused; again", state.Components[0].Error)
	assert.Equal(t, first.Timestamp().UTC(), state.Components[0].Since, "since it began")

	_, _, body = get(t, h, "/metrics/api/v1/query?query=up", nil)
	assert.Equal(t, "/api/v1/query?query=up", body)
	for _, none := range []string{"/metrics/api/v1/write", "/metrics/api/v1/admin/tsdb/delete_series", "/metrics/metrics", "/logs/select/logsql/query"} {
		status, _, _ := get(t, h, none, nil)
		assert.Equal(t, http.StatusNotFound, status, none)
	}
}

func TestATenantDoesNotSeeThePipeline(t *testing.T) {
	h := newHost()
	start(t, h, configured)
	reader := key{"tenant": "acme", "scopes": []string{access.Read}}
	for _, path := range []string{"/v1/state", "/v1/series?name=a"} {
		status, _, _ := get(t, h, path, reader)
		assert.Equal(t, http.StatusForbidden, status, path)
	}
	status, _, body := get(t, h, "/v1/about", reader)
	require.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"operator":false,"tenant":"acme","keys":true,"scopes":["read"]`)
}

func TestItReadsTheCollectorsOwnMetrics(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/metrics", r.URL.Path)
		_, _ = io.WriteString(w, "otelcol_process_uptime 7\nother{x=\"1\"} 1\n")
	}))
	defer page.Close()
	name, port, _ := strings.Cut(strings.TrimPrefix(page.URL, "http://"), ":")
	h := newHost()
	start(t, h, map[string]any{"service": map[string]any{"telemetry": map[string]any{"metrics": map[string]any{"readers": []any{
		map[string]any{"pull": map[string]any{"exporter": map[string]any{"prometheus": map[string]any{"host": name, "port": port}}}},
	}}}}})
	require.Eventually(t, func() bool {
		_, _, body := get(t, h, "/v1/series?name=otelcol_process_uptime&after=5", nil)
		return strings.Contains(body, `"series":[{"name":"otelcol_process_uptime","labels":{},"values":[7]}]`)
	}, 30*time.Second, 10*time.Millisecond)
	status, _, _ := get(t, h, "/v1/series?after=x", nil)
	assert.Equal(t, http.StatusBadRequest, status)
	status, _, _ = get(t, h, "/v1/series?"+strings.Repeat("name=a&", 201), nil)
	assert.Equal(t, http.StatusBadRequest, status)
}

func TestConfig(t *testing.T) {
	cfg := consoleextension.NewFactory().CreateDefaultConfig().(*consoleextension.Config)
	require.NoError(t, cfg.Validate())
	cfg.Interval, cfg.MaxSeries, cfg.MaxTaps = 0, 0, 101
	assert.EqualError(t, cfg.Validate(), "interval: 0s must be from 1s to 5m\nmax_series: 0 is not positive\nmax_taps: 101 must be from 0 to 100")
}
