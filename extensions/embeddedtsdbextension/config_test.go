package embeddedtsdbextension

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
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
	assert.Equal(t, "127.0.0.1:19090", cfg.HTTP.NetAddr.Endpoint)
	assert.Equal(t, "/var/lib/penstock/tsdb", cfg.Directory)
	assert.Equal(t, RetentionConfig{Time: 90 * 24 * time.Hour, Size: 50 << 30}, cfg.Retention)
	assert.Equal(t, QueryConfig{Timeout: time.Minute, MaxSamples: 1000, MaxConcurrency: 4, MaxWaiting: 5, MaxLength: 1000, MaxDepth: 10, MaxTokens: 100, MaxSteps: 1_000_000, LookbackDelta: time.Minute}, cfg.Query)
	assert.Equal(t, []string{"testdata/rules.yaml"}, cfg.RuleFiles)
	assert.Equal(t, []string{"https://alerts.example.com/am"}, cfg.Alertmanagers)
}

func TestInvalidConfigNamesTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		yaml map[string]any
		want string
	}{
		"no directory":        {map[string]any{"directory": ""}, "directory: must be set"},
		"no endpoint":         {map[string]any{"endpoint": ""}, "endpoint: must be set"},
		"short retention":     {map[string]any{"retention": map[string]any{"time": "1h"}}, "retention::time: 1h0m0s is shorter"},
		"negative size":       {map[string]any{"retention": map[string]any{"size": -1}}, "retention::size: -1 is negative"},
		"compression":         {map[string]any{"wal_compression": "lzma"}, `wal_compression: "lzma" is not one of`},
		"window":              {map[string]any{"out_of_order_window": "-1s"}, "out_of_order_window: -1s is negative"},
		"exemplars":           {map[string]any{"max_exemplars": -1}, "max_exemplars: -1"},
		"timeout":             {map[string]any{"query": map[string]any{"timeout": "0s"}}, "query::timeout: 0s is not positive"},
		"timeout too long":    {map[string]any{"query": map[string]any{"timeout": "10m"}}, "query::timeout: 10m0s is longer than write_timeout"},
		"samples":             {map[string]any{"query": map[string]any{"max_samples": 0}}, "query::max_samples: 0"},
		"concurrency":         {map[string]any{"query": map[string]any{"max_concurrency": 0}}, "query::max_concurrency: 0"},
		"waiting":             {map[string]any{"query": map[string]any{"max_waiting": -1}}, "query::max_waiting: -1 is negative"},
		"length":              {map[string]any{"query": map[string]any{"max_length": 0}}, "query::max_length: 0 is not between 1 and 16777216"},
		"depth":               {map[string]any{"query": map[string]any{"max_depth": 10001}}, "query::max_depth: 10001 is not between 1 and 10000"},
		"tokens":              {map[string]any{"query": map[string]any{"max_tokens": 100001}}, "query::max_tokens: 100001 is not between 1 and 100000"},
		"steps":               {map[string]any{"query": map[string]any{"max_steps": 0}}, "query::max_steps: 0 is not positive"},
		"lookback":            {map[string]any{"query": map[string]any{"lookback_delta": "0s"}}, "query::lookback_delta: 0s"},
		"interval":            {map[string]any{"evaluation_interval": "0s"}, "evaluation_interval: 0s"},
		"no such rules":       {map[string]any{"rule_files": []any{"testdata/none*.yaml"}}, `rule_files: "testdata/none*.yaml" matches no file`},
		"bad rules":           {map[string]any{"rule_files": []any{"testdata/bad_rules.yaml"}}, "rule_files: parse rules from file"},
		"alertmanager":        {map[string]any{"alertmanagers": []any{"localhost:9093"}}, `alertmanagers: "localhost:9093" is not a URL`},
		"external URL":        {map[string]any{"external_url": "ftp://x"}, `external_url: "ftp://x" is not a URL`},
		"content compression": {map[string]any{"compression_algorithms": []any{"gzip"}}, "compression_algorithms: must not be set"},
	} {
		t.Run(name, func(t *testing.T) {
			yaml := map[string]any{"directory": "x"}
			for k, v := range c.yaml {
				yaml[k] = v
			}
			require.ErrorContains(t, confmap.Validate(load(t, confmap.NewFromStringMap(yaml))), c.want)
		})
	}
}

// TestREADME loads every example of the README.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	require.Len(t, blocks, 2, "a minimal example and a realistic one")
	for _, b := range blocks {
		block, _, _ := strings.Cut(b, "```")
		file := filepath.Join(t.TempDir(), "config.yaml")
		require.NoError(t, os.WriteFile(file, []byte(block), 0o600))
		conf, err := confmaptest.LoadConf(file)
		require.NoError(t, err)
		sub, err := conf.Sub("extensions::embedded_tsdb")
		require.NoError(t, err)
		require.NotEmpty(t, sub.ToStringMap())
		cfg := load(t, sub)
		cfg.RuleFiles = nil // they name files of the reader's machine
		require.NoError(t, confmap.Validate(cfg))
	}
}
