package prometheustsdbexporter

import (
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/otlptranslator"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/penstockhq/penstock/internal/readmetest"
)

func load(t *testing.T, conf *confmap.Conf) *Config {
	t.Helper()
	cfg := createDefaultConfig()
	require.NoError(t, conf.Unmarshal(cfg))
	return cfg.(*Config)
}

func TestFullConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	cfg := load(t, conf)
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, 10*time.Second, cfg.HTTP.Timeout)
	assert.Equal(t, TranslationConfig{
		Strategy: otlptranslator.NoTranslation, Namespace: "acme", ExternalLabels: map[string]string{"region": "eu"},
		PromoteResourceAttributes: []string{"k8s.pod.name"}, ScopeLabels: true, CustomBuckets: true, TrackedSeries: 1000,
	}, cfg.Translation)
	assert.Equal(t, []any{"2.0", 1000, 1 << 20, 4, 5 * time.Minute}, []any{cfg.Protocol, cfg.MaxSamples, cfg.MaxBytes, cfg.MaxShards, cfg.MaxFuture})
}

func TestInvalidConfigNamesTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		yaml map[string]any
		want string
	}{
		"nowhere to":      {map[string]any{"endpoint": ""}, `endpoint: "" is not a URL`},
		"no URL":          {map[string]any{"endpoint": "localhost:9090"}, `endpoint: "localhost:9090" is not a URL`},
		"both":            {map[string]any{"tsdb": "embedded_tsdb"}, `tsdb: "embedded_tsdb" cannot be combined with endpoint "http://x/"`},
		"compression":     {map[string]any{"compression": "gzip"}, `compression: "gzip": remote write is always snappy`},
		"reserved header": {map[string]any{"headers": map[string]any{"user-agent": "x"}}, `headers: "user-agent" is reserved`},
		"reserved tenant": {map[string]any{"tenant_header": "content-type"}, `tenant_header: "content-type" is reserved`},
		"consumers":       {map[string]any{"sending_queue": map[string]any{"num_consumers": 2}}, "sending_queue::num_consumers: 2 would reorder"},
		"protocol":        {map[string]any{"protocol": "3.0"}, `protocol: "3.0" must be one of`},
		"samples":         {map[string]any{"max_samples": 0}, "max_samples: 0 is not positive"},
		"bytes":           {map[string]any{"max_bytes": -1}, "max_bytes: -1 is not positive"},
		"shards":          {map[string]any{"max_shards": 0}, "max_shards: 0 is not positive"},
		"future":          {map[string]any{"max_future": "0s"}, "max_future: 0s is not positive"},
		"streams":         {map[string]any{"delta": map[string]any{"max_streams": -1}}, "delta::max_streams: -1 is negative"},
		"idle":            {map[string]any{"delta": map[string]any{"idle_timeout": "0s"}}, "delta::idle_timeout: 0s is not positive"},
		"strategy":        {map[string]any{"translation": map[string]any{"strategy": "x"}}, `translation::strategy: "x" must be one of`},
		"tracked":         {map[string]any{"translation": map[string]any{"tracked_series": -1}}, "translation::tracked_series: -1 is negative"},
		"batches of tenants": {map[string]any{"tenant_header": "X-Scope-OrgID", "sending_queue": map[string]any{
			"batch": map[string]any{"partition": map[string]any{"metadata_keys": []string{"other"}}},
		}}, `sending_queue::batch::partition::metadata_keys: ["other"] needs "x-scope-orgid"`},
		"stale":             {map[string]any{"stale_after": "-1s"}, "stale_after: -1s is negative"},
		"stale, untracked":  {map[string]any{"stale_after": "5m", "translation": map[string]any{"tracked_series": 0}}, "stale_after: 5m0s needs translation::tracked_series"},
		"buckets over 1.0":  {map[string]any{"protocol": "1.0", "translation": map[string]any{"custom_buckets": true}}, "translation::custom_buckets: needs"},
		"exporterhelper's":  {map[string]any{"sending_queue": map[string]any{"queue_size": 0}}, "sending_queue"},
		"retry's, as given": {map[string]any{"retry_on_failure": map[string]any{"multiplier": -1}}, "retry_on_failure"},
	} {
		t.Run(name, func(t *testing.T) {
			yaml := map[string]any{"endpoint": "http://x/"}
			maps.Copy(yaml, c.yaml)
			require.ErrorContains(t, confmap.Validate(load(t, confmap.NewFromStringMap(yaml))), c.want)
		})
	}
}

// TestREADME loads every example of the README.
func TestREADME(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "exporters", NewFactory(), nil), 2)
}

// A batch that is configured without a sizer counts points and separates tenants.
func TestDefaultBatch(t *testing.T) {
	cfg := load(t, confmap.NewFromStringMap(map[string]any{"endpoint": "http://x/", "tenant_header": "X-Scope-OrgID", "sending_queue": map[string]any{
		"sizer": "bytes", "queue_size": 1 << 30, "batch": map[string]any{"sizer": "items"},
	}}))
	require.NoError(t, confmap.Validate(cfg))
	batch := cfg.Queue.Get().Batch.Get()
	assert.EqualValues(t, 8192, batch.MinSize)
	assert.Equal(t, 200*time.Millisecond, batch.FlushTimeout)
	assert.Equal(t, []string{"x-scope-orgid"}, batch.Partition.MetadataKeys)
	assert.False(t, createDefaultConfig().(*Config).Queue.Get().Batch.HasValue(), "not unless it is asked for")
}
