package e2e

import (
	"fmt"
	"net/http"
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

// Log lines become a recorded series, and an alert in PromQL that uses it and a metric fires. Each line counts once, also over a kill.
func TestAnAlertOverLogsAndMetrics(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	recording := write("logs.rules", `
groups:
  - name: shop
    interval: 1s
    rules:
      - record: shop:lines:count
        expr: '"id" | stats by (service.name) count() lines'
        labels: {team: a}
`)
	alerts := write("alerts.rules", `
groups:
  - name: alerts
    interval: 1s
    rules:
      - alert: LinesWhileHot
        expr: sum_over_time(shop:lines:count{service_name="shop",team="a"}[5m]) >= 150 and on () temperature > 20
`)
	overlay := write("rules.yaml", fmt.Sprintf(`
extensions:
  embedded_logs: {rule_files: [%q], rules: {delay: 6s}}
  embedded_tsdb: {rule_files: [%q]}
`, recording, alerts))
	p := process.Start(t, process.Settings{Configs: []string{"profile:standalone", overlay}})
	answer, err := send.Logs(p.HTTP(), send.LogBatch("shop", 0, 100))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	const lines = `sum(sum_over_time(shop:lines:count[5m]))`
	ask.Eventually(t, func() error { return wantScalar(p, lines, 100) })

	p.Kill()
	p.Restart(t)
	answer, err = send.Logs(p.HTTP(), send.LogBatch("shop", 100, 50))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	ask.Eventually(t, func() error { return wantScalar(p, lines, 150) })
	require.NoError(t, wantScalar(p, `count(ALERTS{alertname="LinesWhileHot"}) or vector(0)`, 0), "the metric is missing")

	answer, err = send.Metrics(p.HTTP(), hot())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	ask.Eventually(t, func() error { return wantScalar(p, `count(ALERTS{alertname="LinesWhileHot",alertstate="firing"})`, 1) })

	status, body, err := process.Fetch(t.Context(), "http://"+p.Query()+"/api/v1/rules")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"name":"shop:lines:count"`)
	assert.Contains(t, body, `"health":"ok"`)
}

func hot() pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("temperature")
	dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
	dp.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	dp.SetDoubleValue(25)
	return md
}

// wantScalar says whether a query has one result of that value.
func wantScalar(p *process.Process, query string, want float64) error {
	got, err := ask.PromValue(p.TSDB(), query)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s: %v, not %v", query, got, want)
	}
	return nil
}
