package top_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/command/internal/top"
)

var now = time.Date(2026, 11, 30, 20, 0, 0, 0, time.UTC)

var state = top.State{
	Now: now,
	Pipelines: []top.Pipeline{
		{"logs", "logs", []string{"otlp"}, []string{"memory_limiter", "pii_scrubber"}, []string{"forward"}},
		{"logs/journal", "logs", []string{"forward"}, []string{"kafka_replay"}, []string{"nop"}},
		{"logs/loki", "logs", []string{"kafka_replay/loki"}, nil, []string{"loki"}},
		{"metrics", "metrics", []string{"otlp", "host_metrics"}, []string{"cardinality_guard/tsdb"}, []string{"prometheus_remote_write_with_a_very_long_name/of_its_own"}},
	},
	Groups: map[string]string{"kafka_replay/loki": "loki"},
	Components: []top.Component{
		{"exporter", "loki", []string{"logs/loki"}, "refused", now.Add(-200 * time.Second)},
		{"receiver", "kafka_replay/loki", []string{"logs/loki"}, "loki takes no logs: dial tcp 10.0.0.7:3100: \x1b[2Jconnect: connection refused, for the tenant acme", now.Add(-200 * time.Second)},
		{"processor", "kafka_replay", []string{"logs/journal"}, "no broker answers", now.Add(-time.Second)},
		{"exporter", "prometheus_remote_write_with_a_very_long_name/of_its_own", []string{"metrics"}, "", now},
	},
	Disks: []top.Disk{{12 << 30, 40 << 30}},
}

// values has one value at each of three times, ten seconds apart; a negative one means none.
func one(name string, labels map[string]string, values ...float64) top.One {
	s := top.One{Name: name, Labels: labels}
	for _, v := range values {
		if v < 0 {
			s.Values = append(s.Values, nil)
			continue
		}
		s.Values = append(s.Values, &v)
	}
	return s
}

func series() top.Series {
	otlp, loki := map[string]string{"receiver": "otlp"}, map[string]string{"group": "loki", "signal": "logs"}
	remote := map[string]string{"exporter": "prometheus_remote_write_with_a_very_long_name/of_its_own"}
	return top.Series{Times: []int64{1_000, 11_000, 21_000}, Series: []top.One{
		one("otelcol_receiver_accepted_log_records", otlp, 0, 10_000, 24_000),
		one("otelcol_receiver_accepted_metric_points", otlp, 500, 0, 200), // the counter restarted
		one("otelcol_receiver_refused_log_records", otlp, -1, 0, 40),
		one("otelcol_exporter_sent_metric_points", remote, 0, 0, 20),
		one("otelcol_exporter_send_failed_metric_points", remote, 0, 0, 4),
		one("otelcol_exporter_queue_size", remote, 0, 0, 250),
		one("otelcol_exporter_queue_capacity", remote, 1000, 1000, 1000),
		one("otelcol_receiver_kafka_replay_lag", loki, 0, 0, 1_234_567),
		one("otelcol_receiver_kafka_replay_lag", map[string]string{"group": "lake", "signal": "logs"}, 0, 0, 9),
		one("otelcol_receiver_kafka_replay_lag_duration", loki, 0, 0, 215),
		one("otelcol_extension_embedded_kafka_size", nil, 0, 0, 3<<30),
		one("otelcol_extension_embedded_kafka_capacity", nil, 10<<30, 10<<30, 10<<30),
		one("otelcol_processor_pii_scrubber_findings", nil, 0, 0, 1234),
		one("otelcol_processor_cardinality_guard_active_series", nil, 0, 0, 77),
		one("otelcol_receiver_kafka_replay_dead_letters", nil, 0, 0, 2),
		one("otelcol_process_memory_rss", nil, 0, 0, 180<<20),
		one("otelcol_process_cpu_seconds", nil, 0, 1, 3),
	}}
}

func TestTheTable(t *testing.T) {
	got := strings.Join(top.Lines(top.About{Name: "penstock", Version: "1.2.3", Host: "box", Since: now.Add(-74 * time.Hour)}, state, series(), 80), "\n")
	assert.Equal(t, `penstock 1.2.3 on box, up 3 d 2 h, 20:00:00 UTC
memory 180 MiB, CPU 15.0 %, disk 12.0 GiB free of 40.0 GiB

COMES IN                              NOW    REFUSED  SIGNALS
host_metrics                          0/s        0/s  metrics
otlp                             1.21 k/s     2.00/s  logs, metrics

JOURNAL      written 0/s, 3.00 GiB of 10.0 GiB (30 %)
SCRUBBER     1 234 findings, now 61.7/s; 0 values not searched
GUARD        77 series; 0 points over a budget, now 0/s
DEAD LETTERS 2

SINK                     STATE             DELIVERED          WAITS      OLDEST
loki                     DOWN 3 min 20 s         0/s      1 234 567  3 min 35 s
  loki takes no logs: dial tcp 10.0.0.7:3100:  [2Jconnect: connection refused,
  for the tenant acme
prometheus_remote_write… delivers             1.00/s     250 (25 %)           -
  refuses 0.20/s permanently
processor kafka_replay has been unhealthy since 19:59:59
  no broker answers`, got)
}

// Never wider than the terminal, and never anything that a terminal obeys.
func TestEveryLineFits(t *testing.T) {
	for _, width := range []int{top.Width, 81, 120, 200} {
		for _, s := range []top.State{state, {Now: now}} {
			for _, line := range top.Lines(top.About{Name: strings.Repeat("n", 300)}, s, series(), width) {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), width, line)
				assert.NotContains(t, line, "\x1b")
			}
		}
	}
	long := state
	long.Components = []top.Component{{"exporter", "loki", nil, strings.Repeat("x", 1000), now}}
	lines := strings.Join(top.Lines(top.About{}, long, series(), 80), "\n")
	assert.Equal(t, 3, strings.Count(lines, "\n  x"))
	assert.Equal(t, 3*78-1, strings.Count(lines, "x")-strings.Count("prometheus_remote_write_with", "x"))
	empty := top.Lines(top.About{Since: now.Add(-time.Minute)}, top.State{Now: now}, top.Series{}, 80)
	assert.Contains(t, empty[0], "up 1 min 0 s")
	assert.Contains(t, strings.Join(empty, "\n"), "no receiver accepts data from outside")
	assert.NotEmpty(t, top.Names())
}
