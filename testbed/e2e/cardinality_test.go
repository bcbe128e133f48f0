package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	explosionUsers  = 3000
	explosionSteps  = 150
	explosionStep   = 10 * time.Second
	explosionBudget = 200
	explosionFlush  = 5 * time.Second
)

// guarded is OTLP in, the guard, and the TSDB that sink names.
const guarded = `
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
processors:
  cardinality_guard:
    limits: {series_per_metric: %d, overflow_streams_per_metric: 50}
    flush_interval: %s
    storage: file_storage
    instance_id: gateway-1
exporters:
  prometheus_tsdb: {%s, sending_queue: {enabled: false}, retry_on_failure: {max_elapsed_time: 0}}
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
  admin: {endpoint: "${env:PENSTOCK_ADMIN_ENDPOINT}"}
  file_storage: {directory: "${env:PENSTOCK_DATA_DIR}/state", create_directory: true, fsync: true}
%s
service:
  extensions: [health_check, admin, file_storage%s]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:PENSTOCK_TELEMETRY_PORT}"}}}}]}}
  pipelines:
    metrics: {receivers: [otlp], processors: [cardinality_guard], exporters: [prometheus_tsdb]}
`

// http_requests_total gets a user_id, and the number of users grows. The store keeps its size, and its answer for any ten minutes is exactly what
// was sent, also over a restart in the middle.
func TestUserIDExplosion(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("embedded TSDB, restart %v", restart), func(t *testing.T) {
			p := process.Start(t, process.Settings{Configs: []string{guardedConfig(t, "tsdb: embedded_tsdb",
				`  embedded_tsdb: {endpoint: "${env:PENSTOCK_TSDB_ENDPOINT}", directory: "${env:PENSTOCK_DATA_DIR}/tsdb"}`, ", embedded_tsdb")}})
			explode(t, p, p.TSDB(), explosion{partition: "gateway-1", page: "cardinality_guard", restart: restarts[restart]})
		})
	}
	// Behind the journal even a crash costs nothing.
	t.Run("standalone, killed", func(t *testing.T) {
		// Host metrics are of now, and would make the history late.
		p := process.Start(t, process.Settings{Args: []string{"--set=receivers::host_metrics::initial_delay=1h",
			fmt.Sprintf("--set=processors::cardinality_guard/tsdb::limits::series_per_metric=%d", explosionBudget),
			"--set=processors::cardinality_guard/tsdb::limits::overflow_streams_per_metric=50",
			fmt.Sprintf("--set=processors::cardinality_guard/tsdb::flush_interval=%s", explosionFlush),
		}})
		explode(t, p, p.TSDB(), explosion{partition: "penstock.metrics-0", page: "cardinality_guard/tsdb", restart: func(t *testing.T, p *process.Process) {
			p.Kill()
			p.Restart(t)
		}})
	})
}

// explosion says what differs between the ways that the same points go.
type explosion struct {
	partition string                             // that overflow streams name
	page      string                             // of the guard, on the admin extension
	restart   func(*testing.T, *process.Process) // in the middle
}

// restarts are what happens in the middle, by whether anything does.
var restarts = map[bool]func(*testing.T, *process.Process){
	false: func(*testing.T, *process.Process) {},
	true: func(t *testing.T, p *process.Process) {
		p.Terminate(t)
		p.Restart(t)
	},
}

func guardedConfig(t *testing.T, sink, extension, started string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "guarded.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, guarded, explosionBudget, explosionFlush, sink, extension, started), 0o600))
	return path
}

// explode sends the history of twenty-five minutes, which ends now, and compares the answers of the store at tsdb.
func explode(t *testing.T, p *process.Process, tsdb string, x explosion) {
	t.Helper()
	begin := time.Now().Add(-explosionSteps * explosionStep).Truncate(explosionStep)
	born := make([]time.Time, 0, explosionUsers)
	count := make([]int64, explosionUsers)
	sent := map[time.Time]float64{}   // the sum of all counters, by the end of the step
	byCode := map[time.Time]float64{} // of those with code 500
	for step := range explosionSteps {
		if step == explosionSteps/2 {
			x.restart(t, p)
		}
		at := begin.Add(time.Duration(step)*explosionStep + time.Second)
		for len(born) < min(explosionUsers, (step+1)*explosionUsers*2/explosionSteps) {
			born = append(born, at.Add(-time.Millisecond))
		}
		var total, failed float64
		for i := range born {
			if born[i].Add(time.Millisecond).Before(at) { // A counter that is older than the guard's state begins at 0.
				count[i] += int64((i + step) % 4)
			}
			total += float64(count[i])
			if i%5 == 0 {
				failed += float64(count[i])
			}
		}
		end := begin.Add(time.Duration(step+1) * explosionStep)
		sent[end], byCode[end] = total, failed
		answer, err := send.Metrics(p.HTTP(), users(born, count, at))
		require.NoError(t, err)
		require.Equal(t, 200, answer.Status)
	}
	end := begin.Add(explosionSteps * explosionStep)
	ask.Eventually(t, func() error {
		got, err := sumAt(tsdb, "http_requests_total", end)
		if err == nil && got != sent[end] {
			err = fmt.Errorf("at the end %v, sent %v", got, sent[end])
		}
		return err
	})

	const window = 10 * time.Minute
	for at := begin.Add(explosionStep); !at.After(end); at = at.Add(13 * explosionStep) {
		for query, truth := range map[string]map[time.Time]float64{"http_requests_total": sent, `http_requests_total{code="500"}`: byCode} {
			now, err := sumAt(tsdb, query, at)
			require.NoError(t, err)
			var before float64
			if from := at.Add(-window); from.After(begin) {
				before, err = sumAt(tsdb, query, from)
				require.NoError(t, err)
			}
			assert.InDelta(t, truth[at]-truth[at.Add(-window)], now-before, 1e-6, "%s, ten minutes up to %s", query, at.Sub(begin))
		}
	}

	series, err := ask.PromQL(tsdb, "http_requests_total", end)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(series), explosionBudget+10)
	for _, s := range series {
		if s.Labels["otel_metric_overflow"] == "true" {
			assert.Empty(t, s.Labels["user_id"])
			assert.Equal(t, x.partition, s.Labels["penstock_partition"])
			assert.NotEmpty(t, s.Labels["code"], "innocent labels stay")
		}
	}
	_, page, err := process.Fetch(t.Context(), "http://"+p.Admin()+"/"+x.page+"/report.json")
	require.NoError(t, err)
	assert.Contains(t, page, `"folded":["user_id"]`)
}

// users returns a point of every user's counter.
func users(born []time.Time, count []int64, at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("http.requests")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range born {
		dp := sum.DataPoints().AppendEmpty()
		dp.SetStartTimestamp(pcommon.NewTimestampFromTime(born[i]))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		dp.SetIntValue(count[i])
		dp.Attributes().PutStr("user_id", fmt.Sprintf("user-%d", i))
		dp.Attributes().PutStr("method", []string{"GET", "POST"}[i%2])
		dp.Attributes().PutStr("code", []string{"500", "200", "200", "404", "200"}[i%5])
	}
	return md
}

// sumAt returns the sum over all series one millisecond before t.
func sumAt(tsdb, query string, t time.Time) (float64, error) {
	series, err := ask.PromQL(tsdb, "sum("+query+")", t.Add(-time.Millisecond))
	if err != nil || len(series) == 0 {
		return 0, err
	}
	return series[0].Value, nil
}
