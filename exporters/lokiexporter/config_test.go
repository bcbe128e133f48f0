package lokiexporter

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/penstockhq/penstock/internal/readmetest"
)

func load(t *testing.T, conf *confmap.Conf) *Config {
	t.Helper()
	cfg := NewFactory().CreateDefaultConfig().(*Config)
	require.NoError(t, conf.Unmarshal(cfg))
	return cfg
}

func TestLoadConfig(t *testing.T) {
	file, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)

	sub, err := file.Sub("loki")
	require.NoError(t, err)
	want := createDefaultConfig().(*Config)
	want.ClientConfig.Endpoint = "http://127.0.0.1:3100"
	got := load(t, sub)
	require.NoError(t, confmap.Validate(got))
	assert.Equal(t, want, got)
	assert.False(t, got.QueueConfig.HasValue(), "no queue unless it is asked for")
	assert.Zero(t, got.RetryConfig.MaxElapsedTime)

	sub, err = file.Sub("loki/full")
	require.NoError(t, err)
	got = load(t, sub)
	require.NoError(t, confmap.Validate(got))
	assert.Equal(t, []LabelConfig{
		{Name: "service_name", Resource: []string{"service.name"}, Value: "none"},
		{Name: "route", Record: []string{"http.route"}},
	}, got.Labels)
	assert.Equal(t, StreamLimitConfig{MaxStreams: 100, MaxTenants: 10, IdleTimeout: 10 * time.Minute, ReleaseAfter: 2 * time.Hour}, got.StreamLimit)
	assert.Equal(t, TenantConfig{ResourceAttribute: "team"}, got.Tenant)
	assert.Equal(t, 2, got.QueueConfig.Get().NumConsumers)
	assert.Equal(t, 15, got.Limits.LabelNames, "what is not written keeps its default")
}

func TestInvalidConfig(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no endpoint", func(c *Config) { c.ClientConfig.Endpoint = "" }, "endpoint: must be set"},
		{"endpoint without scheme", func(c *Config) { c.ClientConfig.Endpoint = "127.0.0.1:3100" }, `endpoint: "127.0.0.1:3100" is not a`},
		{"compression", func(c *Config) { c.ClientConfig.Compression = "zstd" }, `compression: "zstd"`},
		{"tenant header", func(c *Config) { c.ClientConfig.Headers.Set("x-scope-orgid", "a") }, `headers: "x-scope-orgid" is set by tenant`},
		{"encoding", func(c *Config) { c.Encoding = "snappy" }, `encoding: "snappy" is not one of protobuf, json`},
		{"line", func(c *Config) { c.Line = "raw" }, `line: "raw"`},
		{"long line", func(c *Config) { c.OnLongLine = "drop" }, `on_long_line: "drop"`},
		{"window", func(c *Config) { c.OnOutsideWindow = "" }, `on_outside_window: ""`},
		{"identical", func(c *Config) { c.OnIdentical = "x" }, `on_identical: "x"`},
		{"attributes nowhere", func(c *Config) { c.StructuredMetadata = false }, "structured_metadata: false needs line: json"},
		{"tenant", func(c *Config) { c.Tenant.Default = "a|b" }, `tenant.default: "a|b"`},
		{"label name", func(c *Config) { c.Labels[0].Name = "a.b" }, `labels[0].name: "a.b"`},
		{"reserved label", func(c *Config) { c.Labels[0].Name = "__name__" }, `labels[0].name: "__name__"`},
		{"label twice", func(c *Config) { c.Labels[1].Name = c.Labels[0].Name }, `labels[1].name: "service_name" is listed twice`},
		{"label without source", func(c *Config) { c.Labels[0] = LabelConfig{Name: "a"} }, `labels[0]: "a" needs one of`},
		{"too many labels", func(c *Config) { c.Limits.LabelNames = 4 }, "labels: 5 (with late_label) exceed limits.label_names (4)"},
		{"late label", func(c *Config) { c.LateLabel = "a b" }, `late_label: "a b"`},
		{"late label twice", func(c *Config) { c.LateLabel = "level" }, `labels[3].name: "level" is listed twice`},
		{"tenants mixed by the queue", func(c *Config) {
			c.QueueConfig.GetOrInsertDefault().Batch.GetOrInsertDefault().Partition.MetadataKeys = nil
		}, "sending_queue.batch.partition.metadata_keys: [] needs \"x-scope-orgid\""},
		{"no streams", func(c *Config) { c.StreamLimit.MaxStreams = 0 }, "stream_limit.max_streams: 0"},
		{"no tenants", func(c *Config) { c.StreamLimit.MaxTenants = -1 }, "stream_limit.max_tenants: -1"},
		{"idle", func(c *Config) { c.StreamLimit.IdleTimeout = 0 }, "stream_limit.idle_timeout: 0s"},
		{"release", func(c *Config) { c.StreamLimit.ReleaseAfter = 0 }, "stream_limit.release_after: 0s"},
		{"request bytes", func(c *Config) { c.Limits.RequestBytes = 1 }, "limits.request_bytes: 1 is less than"},
		{"request holds no entry", func(c *Config) { c.Limits.RequestBytes = 300_000 }, "limits.request_bytes: 300000 is less than one entry needs"},
		{"line bytes", func(c *Config) { c.Limits.LineBytes = 1 }, "limits.line_bytes: 1 is less than"},
		{"label value", func(c *Config) { c.Limits.LabelValueBytes = 0 }, "limits.label_value_bytes: 0"},
		{"label names", func(c *Config) { c.Limits.LabelNames = 31 }, "limits.label_names: 31 is more than 30"},
		{"metadata pairs", func(c *Config) { c.Limits.MetadataPairs = 1 }, "limits.metadata_pairs: 1"},
		{"metadata bytes", func(c *Config) { c.Limits.MetadataBytes = 1 }, "limits.metadata_bytes: 1"},
		{"age", func(c *Config) { c.Limits.MaxAge = -1 }, "limits.max_age: -1ns"},
		{"ahead", func(c *Config) { c.Limits.MaxAhead = -1 }, "limits.max_ahead: -1ns"},
		{"behind", func(c *Config) { c.Limits.MaxBehind = -1 }, "limits.max_behind: -1ns"},
		{"rate", func(c *Config) { c.Limits.StreamBytesPerSecond = -1 }, "limits.stream_bytes_per_second: -1"},
		{"burst", func(c *Config) { c.Limits.StreamBurstBytes = -1 }, "limits.stream_burst_bytes: -1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			cfg.ClientConfig.Endpoint = "http://127.0.0.1:3100"
			require.NoError(t, confmap.Validate(cfg))
			tc.change(cfg)
			assert.ErrorContains(t, confmap.Validate(cfg), tc.want)
		})
	}
}

func TestPushURL(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://loki:3100":                  "http://loki:3100/loki/api/v1/push",
		"http://loki:3100/":                 "http://loki:3100/loki/api/v1/push",
		"http://loki:3100/loki/api/v1/push": "http://loki:3100/loki/api/v1/push",
		"https://gateway/tenant-a":          "https://gateway/tenant-a/loki/api/v1/push",
	} {
		got, err := pushURL(endpoint)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

// Every YAML block of the README is a valid configuration.
func TestREADME(t *testing.T) {
	assert.GreaterOrEqual(t, len(readmetest.Load(t, "exporters", NewFactory(), map[string]string{"LOKI_TOKEN": "token"})), 2)
}
