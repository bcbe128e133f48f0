package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
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

// numbers sends delta metrics and knows what PromQL must answer for them.
type numbers struct {
	t    *testing.T
	p    *process.Process
	want map[string]float64 // by query
}

func (n *numbers) send(md pmetric.Metrics) {
	n.t.Helper()
	answer, err := send.Metrics(n.p.HTTP(), md)
	require.NoError(n.t, err)
	require.Equal(n.t, http.StatusOK, answer.Status, answer.Body)
}

// deltaSum is a request with points of one delta sum; pid 0 is none.
func deltaSum(service string, pid int64, at []time.Time, values ...float64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", service)
	if pid > 0 {
		rm.Resource().Attributes().PutInt("process.pid", pid)
	}
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("orders")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for i, v := range values {
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(at[min(i, len(at)-1)].Add(-10 * time.Second)))
		p.SetTimestamp(pcommon.NewTimestampFromTime(at[min(i, len(at)-1)]))
		p.SetDoubleValue(v)
	}
	return md
}

// Delta metrics of every kind that went wrong once, and random ones, through the profile with its journal, which is killed in the
// middle: PromQL answers the plain sums.
func TestDeltaTotalsArePlainSums(t *testing.T) {
	n := &numbers{t: t, p: process.Start(t, process.Settings{Args: []string{"--set=receivers::host_metrics::initial_delay=1h"}}), want: map[string]float64{}}
	rnd := rand.New(rand.NewPCG(7, 7))
	begin := time.Now().Add(-4 * time.Minute)
	for _, whole := range []bool{true, false} { // times that are exempt from de-duplication, and others
		first := begin.Truncate(time.Second)
		if !whole {
			first = first.Add(1234567)
		}
		service := fmt.Sprintf("pods-%v", whole)
		for step := range 12 {
			at := first.Add(time.Duration(step) * 10 * time.Second)
			if step%2 == 0 {
				n.send(deltaSum(service, 0, []time.Time{at}, 10, 20, 30))
				continue
			}
			for _, v := range []float64{10, 20, 30} {
				n.send(deltaSum(service, 0, []time.Time{at}, v))
			}
		}
		n.want[fmt.Sprintf(`orders_total{job=%q}`, service)] = 720
	}
	second := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	n.send(deltaSum("nan", 0, []time.Time{second(1), second(2), second(3)}, 7, math.NaN(), 7))
	n.want[`orders_total{job="nan"}`] = 14
	for step := range 20 {
		n.send(deltaSum("pids", 1, []time.Time{second(10 * step)}, 100))
		n.send(deltaSum("pids", 2, []time.Time{second(10*step + 1)}, 1))
	}
	n.want[`orders_total{job="pids"}`] = 2020
	again := deltaSum("again", 0, []time.Time{second(1)}, 5)
	n.send(again)
	n.send(again)
	n.want[`orders_total{job="again"}`] = 5

	for i := range 60 { // random ones: late, of one millisecond, of several processes
		if i == 30 {
			n.p.Kill()
			n.p.Restart(t)
		}
		service := fmt.Sprintf("random-%d", rnd.IntN(3))
		var values []float64
		var at []time.Time
		for range 1 + rnd.IntN(40) {
			values = append(values, float64(1+rnd.IntN(9)))
			at = append(at, second(2*i+60-rnd.IntN(30)).Add(time.Duration(rnd.IntN(3))*400*time.Microsecond+time.Duration(i)))
			n.want[fmt.Sprintf(`orders_total{job=%q}`, service)] += values[len(values)-1]
		}
		n.send(deltaSum(service, 1+rnd.Int64N(2), at, values...))
	}

	dense := time.Now().Add(-7 * time.Second)
	for s := range 6 { // 20 points a millisecond
		var at []time.Time
		for i := range 20_000 {
			at = append(at, dense.Add(time.Duration(s)*time.Second+time.Duration(i)*50*time.Microsecond))
		}
		ones := make([]float64, len(at))
		for i := range ones {
			ones[i] = 1
		}
		n.send(deltaSum("dense", 0, at, ones...))
	}
	n.want[`orders_total{job="dense"}`] = 120_000

	for query, want := range n.want {
		ask.Eventually(t, func() error {
			got, err := ask.PromValue(n.p.TSDB(), "last_over_time("+query+"[1h])")
			if err == nil && got != want {
				err = fmt.Errorf("%s is %v, want %v", query, got, want)
			}
			return err
		})
		resets, err := ask.PromValue(n.p.TSDB(), "resets("+query+"[1h])")
		require.NoError(t, err)
		require.Zero(t, resets, query)
	}
	ahead, err := ask.PromQL(n.p.TSDB(), `timestamp(orders_total{job="dense"})`, dense.Add(2*time.Minute))
	require.NoError(t, err)
	require.Len(t, ahead, 1)
	require.LessOrEqual(t, ahead[0].Value, float64(dense.Add(6*time.Second+50*time.Millisecond).UnixMilli())/1000, "no sample runs away from its points")
}
