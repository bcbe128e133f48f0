package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// grown is the increase of a series: measurements, and their sum. For a sum both are equal.
type grown struct{ count, sum float64 }

// worlds creates random delta metrics and adds them up independently.
type worlds struct {
	t    *testing.T
	p    *process.Process
	rnd  *rand.Rand
	now  time.Time
	want map[string]grown // by job and name
}

// moment is a time that two points can share, or that lies microseconds or seconds from the last one; some are late. None is a whole
// second, which is exempt from de-duplication.
func (w *worlds) moment() pcommon.Timestamp {
	w.now = w.now.Add([]time.Duration{0, 0, 100, 70 * time.Microsecond, time.Millisecond, 100 * time.Millisecond}[w.rnd.IntN(6)])
	at := w.now
	if w.rnd.IntN(10) == 0 {
		at = at.Add(-time.Duration(w.rnd.IntN(20)) * time.Second)
	}
	return pcommon.NewTimestampFromTime(at.Truncate(time.Second).Add(time.Duration(at.Nanosecond()) | 1))
}

// bad is a value that can't be added up, or a point that has none, now and then.
func (w *worlds) bad() (v float64, none, is bool) {
	if w.rnd.IntN(8) > 0 {
		return 0, false, false
	}
	bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -3}
	i := w.rnd.IntN(len(bad) + 1)
	if i == len(bad) {
		return 0, true, true
	}
	return bad[i], false, true
}

func (w *worlds) add(job, name string, count, sum float64) {
	g := w.want[job+" "+name]
	w.want[job+" "+name] = grown{g.count + count, g.sum + sum}
}

func (w *worlds) sum(job string, m pmetric.Metric) {
	m.SetName("orders")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for range 1 + w.rnd.IntN(30) {
		p, v := m.Sum().DataPoints().AppendEmpty(), float64(1+w.rnd.IntN(9))
		p.SetTimestamp(w.moment())
		p.SetStartTimestamp(p.Timestamp() - 1e9)
		switch b, none, is := w.bad(); {
		case none: // no value, and no flag
		case is:
			p.SetDoubleValue(b)
		case w.rnd.IntN(2) == 0:
			p.SetIntValue(int64(v))
			w.add(job, "orders_total", v, v)
		default:
			p.SetDoubleValue(v)
			w.add(job, "orders_total", v, v)
		}
	}
}

// moments sets what histograms have beside their buckets. A sum that is not finite, or missing, costs the sum alone.
func (w *worlds) moments(job, name string, n uint64, setSum func(float64)) {
	v := float64(n) * 0.5
	switch b, none, is := w.bad(); {
	case none:
		w.add(job, name, float64(n), 0)
	case is && b-b != 0:
		setSum(b)
		w.add(job, name, float64(n), 0)
	default:
		setSum(v)
		w.add(job, name, float64(n), v)
	}
}

func (w *worlds) histogram(job string, m pmetric.Metric) {
	m.SetName("latency")
	m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for range 1 + w.rnd.IntN(12) {
		p, n := m.Histogram().DataPoints().AppendEmpty(), uint64(1+w.rnd.IntN(5))
		p.SetTimestamp(w.moment())
		p.SetStartTimestamp(p.Timestamp() - 1e9)
		p.SetCount(n)
		if bounds := [][]float64{{1, 2}, {1, 2}, {10, 20}, nil}[w.rnd.IntN(4)]; bounds != nil {
			p.ExplicitBounds().FromRaw(bounds)
			p.BucketCounts().FromRaw([]uint64{1, n - 1, 0})
		}
		w.moments(job, "latency", n, p.SetSum)
	}
}

func (w *worlds) exponential(job string, m pmetric.Metric) {
	m.SetName("size")
	m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for range 1 + w.rnd.IntN(12) {
		p, n := m.ExponentialHistogram().DataPoints().AppendEmpty(), uint64(1+w.rnd.IntN(5))
		p.SetTimestamp(w.moment())
		p.SetStartTimestamp(p.Timestamp() - 1e9)
		p.SetCount(n)
		p.SetScale(int32(w.rnd.IntN(31) - 10))
		switch w.rnd.IntN(4) {
		case 0:
			p.SetZeroCount(n)
			p.SetZeroThreshold([]float64{0, 1e-9, 3}[w.rnd.IntN(3)])
		case 1:
			p.Negative().BucketCounts().FromRaw([]uint64{n})
		default:
			p.Positive().SetOffset(int32(w.rnd.IntN(2)))
			p.Positive().BucketCounts().FromRaw([]uint64{n})
		}
		w.moments(job, "size", n, p.SetSum)
	}
}

// request is one to three resources of a service. Two can have one identity, or differ by what no series tells.
func (w *worlds) request() pmetric.Metrics {
	md := pmetric.NewMetrics()
	job := fmt.Sprintf("world-%d", w.rnd.IntN(3))
	for range 1 + w.rnd.IntN(3) {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", job)
		if pid := w.rnd.IntN(3); pid > 0 {
			rm.Resource().Attributes().PutInt("process.pid", int64(pid))
		}
		for range 1 + w.rnd.IntN(2) {
			m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
			[]func(string, pmetric.Metric){w.sum, w.histogram, w.exponential}[w.rnd.IntN(3)](job, m)
		}
	}
	return md
}

// got is what PromQL's resets and increases make of the stored samples.
func (w *worlds) got() (map[string]grown, error) {
	status, body, err := process.Fetch(w.t.Context(), "http://"+w.p.TSDB()+"/api/v1/query?"+url.Values{"query": {`{__name__=~"orders_total|latency_count|latency_sum|size",job=~"world.*"}[30m]`}}.Encode())
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("%d: %w", status, err)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric     map[string]string
				Values     [][2]any
				Histograms [][2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, err
	}
	all := map[string]grown{}
	for _, r := range answer.Data.Result {
		number := func(v any) float64 {
			f, err := strconv.ParseFloat(v.(string), 64)
			require.NoError(w.t, err)
			return f
		}
		var total, last grown
		see := func(now grown) {
			if now.count < last.count || now.count == 0 { // it began again
				last = grown{}
			}
			total = grown{total.count + now.count - last.count, total.sum + now.sum - last.sum}
			last = now
		}
		for _, v := range r.Values {
			see(grown{number(v[1]), number(v[1])})
		}
		for _, h := range r.Histograms {
			m := h[1].(map[string]any)
			see(grown{number(m["count"]), number(m["sum"])})
		}
		job, name := r.Metric["job"], r.Metric["__name__"]
		key := job + " " + name
		switch name {
		case "latency_count":
			key = job + " latency"
			total.sum = all[key].sum
		case "latency_sum":
			key = job + " latency"
			total.count = all[key].count
		}
		all[key] = total
	}
	return all, nil
}

// Random worlds with all that went wrong once, through the profile with its journal: NaN and infinities, points without a value, times
// that are equal or less than a millisecond apart, late ones, changed bounds, scales and zero buckets, missing sums, several senders of
// one series, requests that are sent twice, a kill and a stop in the middle. What is stored has grown by the plain sums.
func TestRandomWorldsGrowByThePlainSums(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &worlds{t: t, p: process.Start(t, process.Settings{Args: []string{"--set=receivers::host_metrics::initial_delay=1h"}}),
				rnd: rand.New(rand.NewPCG(seed, 15)), now: time.Now().Add(-3 * time.Minute), want: map[string]grown{}}
			for i := range 120 {
				switch i {
				case 40:
					w.p.Kill()
					w.p.Restart(t)
				case 80:
					w.p.Terminate(t)
					w.p.Restart(t)
				}
				body, err := pmetricotlp.NewExportRequestFromMetrics(w.request()).MarshalProto()
				require.NoError(t, err)
				for range 1 + w.rnd.IntN(4)/3 { // the answer was lost, and the client sends it again
					answer, err := send.Post(w.p.HTTP(), "/v1/metrics", body, "Content-Type", "application/x-protobuf")
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, answer.Status, answer.Body)
				}
			}
			ask.Eventually(t, func() error {
				got, err := w.got()
				if err != nil {
					return err
				}
				for key, want := range w.want {
					if have := got[key]; math.Abs(have.count-want.count) > 0 || math.Abs(have.sum-want.sum) > 1e-6 {
						return fmt.Errorf("%s has grown by %v, want %v", key, have, want)
					}
				}
				return nil
			})
			require.Len(t, w.want, 9)
		})
	}
}
