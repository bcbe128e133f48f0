//go:build full

package journal

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/backends/prometheus"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// A Prometheus that was set up late gets earlier data: a job over all partitions of a Kafka of three brokers, a broker killed meanwhile. A
// Prometheus without a window for old samples is queried first, and refused with the reason.
func TestANewPrometheusGetsThePast(t *testing.T) {
	k := kafka.Start(t, 3)
	f := newFleet(t, k)
	first := f.gateway()
	f.load(2)
	f.passes(100)
	f.reconcile()
	points := float64(f.requests.Load() * pointsPerRequest)
	first.Terminate(t)

	strict := prometheus.New(t, prometheus.Debian)
	p := f.before(strict.Address)
	f.until200("/v1/metrics", metricRequest(0), 0, &f.metrics) // its newest sample bounds what a store accepts
	points += pointsPerRequest
	sent := time.Now()
	eventually(t, "live series", func() (float64, error) { return ask.PromValue(strict.Address, `count(hits_total) > bool 0`) }, 1)
	status, answer := askReplays(t, p, http.MethodPost, "", `{"from":"-1h"}`)
	assert.Equal(t, http.StatusConflict, status)
	assert.Contains(t, fmt.Sprint(answer["problems"]), "out_of_order_time_window")
	f.leave(p)
	p.Terminate(t)

	late := prometheus.Configured(t, prometheus.Debian, "storage: {tsdb: {out_of_order_time_window: 6h}}\n")
	p = f.before(late.Address)
	ask.Eventually(t, func() error { // A window that is not over is not replayed.
		_, answer := askReplays(t, p, http.MethodPost, "", `{"from":"-1h","dry_run":true}`)
		span, _ := answer["range"].(map[string]any)
		to, err := time.Parse(time.RFC3339, fmt.Sprint(span["to"]))
		if err == nil && to.Before(sent) {
			err = fmt.Errorf("the range ends at %s", to)
		}
		return err
	})
	status, answer = askReplays(t, p, http.MethodPost, "", `{"id":"past","from":"-1h"}`)
	require.Equal(t, http.StatusCreated, status, "%v", answer)
	k.Kill(1)
	for what, query := range map[string]string{
		"totals":  `sum(max_over_time(hits_total[1h]))`,
		"windows": `sum(sum_over_time(hits_increase{rollup_window="5s"}[1h]))`,
	} {
		eventually(t, what, func() (float64, error) { return ask.PromValue(late.Address, query) }, points)
	}
	finished(t, p, "past")
}

// before starts a gateway before another TSDB, which its jobs query.
func (f *fleet) before(tsdb string) *process.Process {
	f.t.Helper()
	jobs := filepath.Join(f.t.TempDir(), "jobs.yaml")
	text := fmt.Sprintf(`receivers: {kafka_replay/jobs: {jobs: {windows: [5s], targets: [{type: prometheus, endpoint: "http://%s"}]}}}`, tsdb)
	require.NoError(f.t, os.WriteFile(jobs, []byte(text), 0o600))
	p := process.Start(f.t, process.Settings{
		Configs: []string{"profile:gateway", f.config, jobs},
		Env: map[string]string{
			"PENSTOCK_KAFKA_BROKERS": strings.Join(f.kafka.Addresses(), ","), "PENSTOCK_KAFKA_TOPIC_PREFIX": f.prefix,
			"PENSTOCK_LAKE_URL": f.lake, "PENSTOCK_REMOTE_WRITE_URL": "http://" + tsdb + "/api/v1/write",
		},
	})
	f.join(p)
	return p
}
