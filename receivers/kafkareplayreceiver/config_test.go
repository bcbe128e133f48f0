package kafkareplayreceiver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/penstockhq/penstock/internal/readmetest"
	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "receivers", kafkareplay.NewFactory(), nil), 3)
}

func TestWrongConfigurationNamesTheKey(t *testing.T) {
	for want, change := range map[string]func(*kafkareplay.Config){
		"brokers: must name":                   func(c *kafkareplay.Config) { c.Kafka.Brokers = nil },
		`follow: group: "" must be`:            func(c *kafkareplay.Config) { c.Follow.Group = "" },
		"follow: session_timeout: 1s must be":  func(c *kafkareplay.Config) { c.Follow.SessionTimeout = time.Second },
		"follow: checkpoint_interval: 0s":      func(c *kafkareplay.Config) { c.Follow.CheckpointInterval = 0 },
		"follow: dedup_window: -1s must not":   func(c *kafkareplay.Config) { c.Follow.DedupWindow = -time.Second },
		"follow: dedup_max_records: 0 must":    func(c *kafkareplay.Config) { c.Follow.DedupMaxRecords = 0 },
		`follow: on_full: "drop" must be hold`: func(c *kafkareplay.Config) { c.Follow.OnFull = "drop" },
		`follow: allow_behind: "a/b" is not`:   func(c *kafkareplay.Config) { c.Follow.AllowBehind = []string{"a/b"} },
		"follow: outage_after: 0s must be":     func(c *kafkareplay.Config) { c.Follow.OutageAfter = 0 },
		"follow::range: max_records, max_byt":  func(c *kafkareplay.Config) { c.Follow.Range.MaxRecords = 0 },
		"follow::range: max_wait: -1s must":    func(c *kafkareplay.Config) { c.Follow.Range.MaxWait = -time.Second },
	} {
		cfg := kafkareplay.NewFactory().CreateDefaultConfig().(*kafkareplay.Config)
		cfg.Kafka.Brokers, cfg.Follow.Group = []string{"127.0.0.1:9092"}, "g"
		require.NoError(t, confmap.Validate(cfg))
		change(cfg)
		assert.ErrorContains(t, confmap.Validate(cfg), want)
	}
	for want, jobs := range map[string]map[string]any{
		"jobs: cannot be combined with follow":               {},
		`jobs: recorded: "spans" must be`:                    {"recorded": []any{"spans"}},
		"jobs: allow_behind: batch acknowledges data before": {"allow_behind": []any{"batch"}},
		"jobs: workers: 0 must be":                           {"workers": 0},
		"jobs: live_lag: 0 must be":                          {"live_lag": 0},
		"jobs: checkpoint_interval: 0s must":                 {"checkpoint_interval": "0s"},
		"jobs: dedup_window: -1s must":                       {"dedup_window": "-1s"},
		"jobs: dedup_max_records: 0 must":                    {"dedup_max_records": 0},
		"jobs: windows: 1ms must":                            {"windows": []any{"1ms"}},
		"jobs: run: 0: id: must be set":                      {"run": []any{map[string]any{"from": "-1h"}}},
		"jobs: run::0: from: must be set":                    {"run": []any{map[string]any{"id": "a"}}},
		"jobs: targets::0: type: \"tape\" must be":           {"targets": []any{map[string]any{"type": "tape"}}},
		"jobs: targets::0: endpoint: \"\" is not a URL":      {"targets": []any{map[string]any{"type": "loki"}}},
		"jobs: targets::0: signal: must be set for type":     {"targets": []any{map[string]any{"type": "other"}}},
		"jobs: targets::0: max_age: -1s must not":            {"targets": []any{map[string]any{"type": "other", "signal": "logs", "max_age": "-1s"}}},
		"max_behind: -1s must not be negative":               {"targets": []any{map[string]any{"type": "loki", "endpoint": "http://loki:3100", "max_behind": "-1s"}}},
		"max_behind: applies to type loki only":              {"targets": []any{map[string]any{"type": "other", "signal": "logs", "max_behind": "1h"}}},
	} {
		cfg := kafkareplay.NewFactory().CreateDefaultConfig().(*kafkareplay.Config)
		require.NoError(t, confmap.NewFromStringMap(map[string]any{"brokers": []any{"127.0.0.1:9092"}, "jobs": jobs}).Unmarshal(cfg))
		if len(jobs) == 0 {
			require.NoError(t, confmap.Validate(cfg))
			cfg.Follow.Group = "g"
		}
		assert.ErrorContains(t, confmap.Validate(cfg), want)
	}
}
