package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// rooms is a request with the level and the delta of each room at a time.
func rooms(at time.Time, level float64, names ...string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "building")
	metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
	gauge, sum := metrics.AppendEmpty(), metrics.AppendEmpty()
	gauge.SetName("temperature")
	sum.SetName("visits")
	sum.SetEmptySum().SetIsMonotonic(true)
	sum.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for _, dps := range []pmetric.NumberDataPointSlice{gauge.SetEmptyGauge().DataPoints(), sum.Sum().DataPoints()} {
		for _, name := range names {
			p := dps.AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(at))
			p.SetDoubleValue(level)
			p.Attributes().PutStr("room", name)
		}
	}
	return md
}

// Points past the budget that come minutes late, through the profile with its journal and over a kill: the level of an overflow stream
// stands at its own time, beside the levels of now, and what adds up raises the total now.
func TestLateFoldedPoints(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{"--set=receivers::host_metrics::initial_delay=1h",
		"--set=processors::cardinality_guard/tsdb::limits::series_per_metric=1", "--set=processors::cardinality_guard/tsdb::flush_interval=1s"}})
	post := func(md pmetric.Metrics) {
		answer, err := send.Metrics(p.HTTP(), md)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	}
	folded := func(query string, at time.Time, want float64) {
		t.Helper()
		ask.Eventually(t, func() error {
			got, err := ask.PromQL(p.TSDB(), query, at)
			if err == nil && (len(got) != 1 || got[0].Value != want) {
				err = fmt.Errorf("%s at %v is %v, want %v", query, at, got, want)
			}
			return err
		})
	}
	const level, visits = `temperature{otel_metric_overflow="true"}`, `visits_total{otel_metric_overflow="true"}`
	now := time.Now().Add(-time.Minute)
	post(rooms(now, 20, "hall", "cellar"))
	folded("last_over_time("+level+"[5m])", now.Add(time.Minute), 20)
	folded("last_over_time("+visits+"[1h])", time.Time{}, 20)

	late := now.Add(-10 * time.Minute)
	post(rooms(late, 7, "cellar"))
	folded("last_over_time("+level+"[10s])", late.Add(5*time.Second), 7)
	folded("last_over_time("+level+"[5m])", now.Add(time.Minute), 20)
	folded("last_over_time("+visits+"[1h])", time.Time{}, 27)

	p.Kill()
	p.Restart(t)
	post(rooms(late.Add(time.Minute), 8, "cellar"))
	folded("last_over_time("+level+"[10s])", late.Add(time.Minute+5*time.Second), 8)
	folded("last_over_time("+level+"[10s])", late.Add(5*time.Second), 7)
	folded("last_over_time("+visits+"[1h])", time.Time{}, 35)
	none, err := ask.PromQL(p.TSDB(), "count_over_time("+visits+"[5m])", late.Add(2*time.Minute))
	require.NoError(t, err)
	require.Empty(t, none, "no total rises in the past")
}
