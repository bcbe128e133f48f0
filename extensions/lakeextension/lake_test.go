package lakeextension_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/extensions/lakeextension"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/columnar"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/storetest"
	"github.com/penstockhq/penstock/internal/readmetest"
)

// host has an admin extension.
type host struct {
	component.Host
	mux *http.ServeMux
}

func (h *host) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("admin"): h}
}
func (*host) Start(context.Context, component.Host) error { return nil }
func (*host) Shutdown(context.Context) error              { return nil }
func (h *host) Mount(id, _ string, handler http.Handler) (func(), error) {
	h.mux.Handle("/"+id+"/", http.StripPrefix("/"+id, handler))
	return func() {}, nil
}

func start(t *testing.T, root string, change func(*lakeextension.Config)) (*host, *componenttest.Telemetry, extension.Extension) {
	t.Helper()
	f := lakeextension.NewFactory()
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	set := extensiontest.NewNopSettings(f.Type())
	set.ID = component.NewID(f.Type())
	set.TelemetrySettings = tel.NewTelemetrySettings()
	cfg := f.CreateDefaultConfig().(*lakeextension.Config)
	cfg.URL, cfg.Interval, cfg.Lease, cfg.Compaction.Quiet = root, time.Second, 3*time.Second, 0
	if change != nil {
		change(cfg)
	}
	require.NoError(t, confmap.Validate(cfg))
	e, err := f.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	h := &host{componenttest.NewNopHost(), http.NewServeMux()}
	require.NoError(t, e.Start(t.Context(), h))
	t.Cleanup(func() { require.NoError(t, e.Shutdown(context.Background())) })
	return h, tel, e
}

// fill writes some files of an hour.
func fill(t *testing.T, root string, hour time.Time, files int) {
	t.Helper()
	d, _, err := lakestore.Open(root)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	for i := range files {
		_, err := d.Write(t.Context(), lakestore.PartitionDir("logs", hour, "a"), fmt.Sprint("f", i), func(w io.Writer) error {
			table := columnar.NewTable()
			at := table.Root().Timestamp("time", columnar.Required)
			f, err := table.NewFile(w, columnar.FileSettings{Rows: 1, Metadata: map[string]string{"penstock.schema": "logs/2"}})
			require.NoError(t, err)
			at.Put(int64(i))
			require.NoError(t, f.EndRow())
			return f.Close()
		})
		require.NoError(t, err)
	}
}

func glob(t *testing.T, root string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, "logs", "*", "*", "*", "*.parquet"))
	require.NoError(t, err)
	return all
}

type report struct {
	Leader  bool
	Signals []struct {
		Signal  string
		Files   int
		Changes map[string]int64
		Expired int64 `json:"expired_files"`
		Newest  []struct {
			Hour    time.Time
			Tenant  string
			Files   int
			Bytes   int64
			Pending bool
		} `json:"newest_partitions"`
	}
}

func (h *host) report(t require.TestingT) (r report) {
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/lake/", nil))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r), w.Body.String())
	return r
}

// One of two gateways merges; when it stops the other one goes on at once.
func TestOneOfTwoGatewaysLooksAfterTheLake(t *testing.T) {
	root := t.TempDir()
	hour := time.Now().UTC().Truncate(time.Hour).Add(-5 * time.Hour)
	fill(t, root, hour, 5)
	first, tel, e := start(t, root, nil)
	kept := e.(interface{ KeepsLake(root string) bool }) // exporters ask
	assert.True(t, kept.KeepsLake(root))
	assert.False(t, kept.KeepsLake(root+"/other"))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Len(c, glob(t, root), 1)
		if signals := first.report(c).Signals; assert.NotEmpty(c, signals) {
			assert.NotEmpty(c, signals[0].Newest)
		}
	}, time.Minute, 10*time.Millisecond)
	r := first.report(t)
	assert.True(t, r.Leader)
	assert.Equal(t, map[string]int64{"merge": 1}, r.Signals[0].Changes)
	require.Len(t, r.Signals[0].Newest, 1)
	assert.Equal(t, []any{hour, "a", 1, false}, []any{r.Signals[0].Newest[0].Hour, r.Signals[0].Newest[0].Tenant, r.Signals[0].Newest[0].Files, r.Signals[0].Newest[0].Pending})
	assert.Positive(t, r.Signals[0].Newest[0].Bytes)
	for _, name := range []string{"changes", "merged_files", "merged_rows", "files", "bytes", "lag", "leader", "pending_partitions"} {
		_, err := tel.GetMetric("otelcol_extension_lake_" + name)
		assert.NoError(t, err)
	}
	second, _, _ := start(t, root, nil)
	require.NoError(t, e.Shutdown(t.Context()))
	fill(t, root, hour.Add(-time.Hour), 5)
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Len(c, glob(t, root), 2) }, time.Minute, 10*time.Millisecond)
	assert.True(t, second.report(t).Leader)
}

func TestRetentionRemovesOldPartitions(t *testing.T) {
	root := t.TempDir()
	hour := time.Now().UTC().Truncate(time.Hour)
	fill(t, root, hour.Add(-40*time.Hour), 2)
	fill(t, root, hour.Add(-5*time.Hour), 2)
	h, _, _ := start(t, root, func(c *lakeextension.Config) {
		c.Compaction.Enabled = false
		c.Retention.Overrides = []lakeextension.RetentionOverride{{Signal: "logs", Tenant: "a*", Keep: 24 * time.Hour}}
	})
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		if r := h.report(c); assert.NotEmpty(c, r.Signals) {
			assert.Equal(c, int64(2), r.Signals[0].Expired)
		}
	}, time.Minute, 10*time.Millisecond)
	assert.Len(t, glob(t, root), 2)
}

// key is what an authenticator says of a client.
type key map[string]any

func (k key) GetAttribute(name string) any { return k[name] }
func (k key) GetAttributeNames() []string  { return nil }

// A table names the files of all tenants, so the key of one tenant gets no answer of the catalog that names a file, whatever it asks for; neither does a key without a
// tenant that may only read. An operator gets the table.
func TestATenantReachesNoFileThroughTheCatalog(t *testing.T) {
	root := t.TempDir()
	fill(t, root, time.Now().UTC().Truncate(time.Hour), 2)
	h, _, _ := start(t, root, func(c *lakeextension.Config) { c.Tables.Every, c.Tables.Sweep = time.Second, time.Second })
	ask := func(auth key, method, target string) (int, string) {
		r := httptest.NewRequest(method, "/iceberg"+target, nil)
		w := httptest.NewRecorder()
		h.mux.ServeHTTP(w, r.WithContext(client.NewContext(r.Context(), client.Info{Auth: auth})))
		return w.Code, w.Body.String()
	}
	operator := key{"scopes": []string{access.Admin}}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, body := ask(operator, http.MethodGet, "/v1/namespaces/lake/tables/logs")
		assert.Equal(c, http.StatusOK, status)
		assert.Contains(c, body, root)
	}, time.Minute, 10*time.Millisecond)
	for name, auth := range map[string]key{
		"a tenant's reader":       {"tenant": "a", "scopes": []string{access.Read}},
		"another tenant's reader": {"tenant": "b", "scopes": []string{access.Read, access.Replay, access.Erase}},
		"a reader of no tenant":   {"scopes": []string{access.Read}},
	} {
		for _, target := range []string{"/v1/config", "/v1/namespaces", "/v1/namespaces/lake", "/v1/namespaces/a", "/v1/namespaces/lake/tables", "/v1/namespaces/lake/tables/logs",
			"/v1/namespaces/lake/tables/logs?snapshots=all", "/v1/lake/namespaces/lake/tables/logs", "/v1/namespaces/lake/tables/logs/../logs"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
				status, body := ask(auth, method, target)
				assert.NotEqual(t, http.StatusOK, status, "%s: %s %s", name, method, target)
				assert.NotEqual(t, http.StatusNoContent, status, "%s: %s %s", name, method, target)
				assert.NotContains(t, body, root, "%s: %s %s", name, method, target)
				assert.NotContains(t, body, "metadata-location", "%s: %s %s", name, method, target)
			}
		}
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	for want, yaml := range map[string]map[string]any{
		"url: required":                                                  {},
		"interval: must be at least 1s, got 1ms":                         {"url": "l", "interval": "1ms"},
		"lease: must be at least 3s, got 1s":                             {"url": "l", "lease": "1s"},
		"compaction: delay: must not be negative, got -1s":               {"url": "l", "compaction": map[string]any{"delay": "-1s"}},
		"target_size: must be from 1048576 (1 MiB)":                      {"url": "l", "compaction": map[string]any{"target_size": 5}},
		"memory: must be at least 67108864":                              {"url": "l", "compaction": map[string]any{"memory": 5}},
		"retention: keep: must be 0 (for ever) or at least 1h, got 5m0s": {"url": "l", "retention": map[string]any{"keep": "5m"}},
		`overrides::0::signal: want logs, metrics or traces, got "log"`:  {"url": "l", "retention": map[string]any{"overrides": []any{map[string]any{"signal": "log", "keep": "2h"}}}},
		`overrides::0::tenant: "["`:                                      {"url": "l", "retention": map[string]any{"overrides": []any{map[string]any{"tenant": "[", "keep": "2h"}}}},
		"overrides::0::rollup_window: logs have no rollups":              {"url": "l", "retention": map[string]any{"overrides": []any{map[string]any{"signal": "logs", "rollup_window": "1h", "keep": "2h"}}}},
		"s3: keys are for a url of an object store":                      {"url": "l", "s3": map[string]any{"access_key_id": "a"}},
	} {
		c := lakeextension.NewFactory().CreateDefaultConfig()
		require.NoError(t, confmap.NewFromStringMap(yaml).Unmarshal(c))
		assert.ErrorContains(t, confmap.Validate(c), want)
	}
}

func TestExamplesOfTheREADME(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", lakeextension.NewFactory(), nil), 2)
}

// Readers of tables take paths for URLs.
func TestAPathThatReadersOfTablesCannotOpenIsNamed(t *testing.T) {
	for name, want := range map[string]int{"a b%20ü": 0, "a#b": 1, "a?b": 1} {
		core, logs := observer.New(zap.WarnLevel)
		f := lakeextension.NewFactory()
		set := extensiontest.NewNopSettings(f.Type())
		set.Logger = zap.New(core)
		cfg := f.CreateDefaultConfig().(*lakeextension.Config)
		cfg.URL = filepath.Join(t.TempDir(), name)
		if strings.Contains(t.TempDir(), "#") { // a test that runs several times
			want = 1
		}
		e, err := f.Create(t.Context(), set, cfg)
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
		require.NoError(t, e.Shutdown(t.Context()))
		assert.Len(t, logs.FilterMessageSnippet("take # and ? for the end of a path").All(), want, name)
	}
}

// Of two gateways that create the same object one wins only if the store heeds the condition.
func TestAStoreThatIgnoresConditionsIsNamed(t *testing.T) {
	for name, ignores := range map[string]bool{"it heeds them": false, "it ignores them": true} {
		t.Run(name, func(t *testing.T) {
			store := storetest.New(t)
			store.Fault = func(_ *storetest.Store, _ http.ResponseWriter, r *http.Request) bool {
				if ignores {
					r.Header.Del("If-None-Match")
				}
				return false
			}
			core, logs := observer.New(zap.InfoLevel)
			f := lakeextension.NewFactory()
			set := extensiontest.NewNopSettings(f.Type())
			set.Logger = zap.New(core)
			cfg := f.CreateDefaultConfig().(*lakeextension.Config)
			cfg.URL, cfg.S3.AccessKeyID, cfg.S3.SecretAccessKey = store.Location(""), "key", "secret"
			e, err := f.Create(t.Context(), set, cfg)
			require.NoError(t, err)
			require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
			warned := func() int { return logs.FilterMessageSnippet("ignores If-None-Match").Len() }
			if ignores {
				require.Eventually(t, func() bool { return warned() == 1 }, time.Minute, 10*time.Millisecond)
			} else {
				require.Eventually(t, func() bool { return logs.FilterMessageSnippet("looks after the lake").Len() == 1 }, time.Minute, 10*time.Millisecond)
			}
			require.NoError(t, e.Shutdown(t.Context()))
			if !ignores {
				require.Zero(t, warned())
			}
		})
	}
}
