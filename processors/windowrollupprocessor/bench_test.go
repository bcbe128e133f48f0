package windowrollupprocessor

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/metadata"
)

const batchPoints = 1000

// load8 returns batches of a thousand points with eight attributes, for n streams in all.
func load8(n int, kind pmetric.MetricType) []pmetric.Metrics {
	var batches []pmetric.Metrics
	for from := 0; from < n; from += batchPoints {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "checkout")
		rm.Resource().Attributes().PutStr("host.name", fmt.Sprint("host-", from/batchPoints%10))
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("http_requests_total")
		var points pmetric.NumberDataPointSlice
		if kind == pmetric.MetricTypeGauge {
			points = m.SetEmptyGauge().DataPoints()
		} else {
			sum := m.SetEmptySum()
			sum.SetIsMonotonic(true)
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			points = sum.DataPoints()
		}
		for i := from; i < min(from+batchPoints, n); i++ {
			dp := points.AppendEmpty()
			dp.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch))
			dp.SetTimestamp(pcommon.NewTimestampFromTime(epoch.Add(time.Second)))
			dp.SetIntValue(int64(i % 1000))
			for k := range 7 {
				dp.Attributes().PutStr(fmt.Sprint("http.attribute.", k), fmt.Sprint("value-", i%(k+2)))
			}
			dp.Attributes().PutStr("user_id", fmt.Sprintf("user-%07d", i))
		}
		batches = append(batches, md)
	}
	return batches
}

// tick moves all points of a batch on.
func tick(md pmetric.Metrics, by time.Duration) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			var points pmetric.NumberDataPointSlice
			if m.Type() == pmetric.MetricTypeGauge {
				points = m.Gauge().DataPoints()
			} else {
				points = m.Sum().DataPoints()
			}
			for _, dp := range points.All() {
				dp.SetTimestamp(dp.Timestamp() + pcommon.Timestamp(by))
				dp.SetIntValue(dp.IntValue() + 1)
			}
		}
	}
}

// benchRollup returns a processor in a session of a journal, so that nothing happens in the background.
func benchRollup(tb testing.TB, aggregates []string, by []string) (*windowRollup, *delivery.Session) {
	tb.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Journal, cfg.MaxStreams, cfg.MaxInputStreams = journalRequired, 20_000_000, 20_000_000
	keep := false
	cfg.Rules = []RuleConfig{{Windows: []WindowConfig{{Size: time.Minute}, {Size: time.Hour}}, By: by, Aggregates: aggregates, KeepRaw: &keep}}
	w, err := newWindowRollup(cfg, processortest.NewNopSettings(metadata.Type), consumertest.NewNop())
	require.NoError(tb, err)
	require.NoError(tb, w.Start(tb.Context(), componenttest.NewNopHost()))
	session, err := delivery.NewSession(delivery.Settings{Label: "bench", Began: epoch.Add(-time.Hour)})
	require.NoError(tb, err)
	tb.Cleanup(func() { session.Close(); _ = w.Shutdown(tb.Context()) })
	return w, session
}

// BenchmarkPoints is the cost of a point of a known stream. Copying the batch is not timed.
func BenchmarkPoints(b *testing.B) {
	for _, c := range []struct {
		name       string
		kind       pmetric.MetricType
		aggregates []string
		by         []string
	}{
		{"counters", pmetric.MetricTypeSum, []string{"increase", "rate"}, nil},
		{"counters,by", pmetric.MetricTypeSum, []string{"increase", "rate"}, []string{"service.name", "http.attribute.3"}},
		{"gauges", pmetric.MetricTypeGauge, []string{"avg", "min", "max", "last"}, nil},
		{"gauges,p99", pmetric.MetricTypeGauge, []string{"p50", "p99"}, nil},
	} {
		for _, n := range []int{10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/streams=%d", c.name, n), func(b *testing.B) {
				w, session := benchRollup(b, c.aggregates, c.by)
				ctx := delivery.With(b.Context(), session)
				batches := load8(n, c.kind)
				copied := pmetric.NewMetrics()
				for _, md := range batches {
					md.CopyTo(copied)
					require.NoError(b, w.ConsumeMetrics(ctx, copied))
					tick(md, time.Second)
				}
				b.ReportAllocs()
				var spent time.Duration
				points := 0
				for i := 0; b.Loop(); i++ {
					md := batches[i%len(batches)]
					copied = pmetric.NewMetrics()
					md.CopyTo(copied)
					begin := time.Now()
					_ = w.ConsumeMetrics(ctx, copied)
					spent += time.Since(begin)
					points += batchPoints
					if i%len(batches) == 0 {
						b.StopTimer()
						for _, md := range batches {
							tick(md, time.Millisecond)
						}
						b.StartTimer()
					}
				}
				b.ReportMetric(float64(spent.Nanoseconds())/float64(points), "ns/point")
			})
		}
	}
}

// BenchmarkClose is the CPU time per stream when a window closes, is saved and sent.
func BenchmarkClose(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("streams=%d", n), func(b *testing.B) {
			w, session := benchRollup(b, []string{"increase", "rate"}, nil)
			ctx := delivery.With(b.Context(), session)
			batches := load8(n, pmetric.MetricTypeSum)
			var closing, saving, sending time.Duration
			var saved int64
			var buf bytes.Buffer
			for b.Loop() {
				b.StopTimer()
				for _, md := range batches {
					copied := pmetric.NewMetrics()
					md.CopyTo(copied)
					require.NoError(b, w.ConsumeMetrics(ctx, copied))
					tick(md, 2*time.Minute)
				}
				b.StartTimer()
				begin := cputime.Spent()
				session.Advance(time.Now(), false)
				closing += cputime.Spent() - begin
				begin = cputime.Spent()
				buf.Reset()
				require.NoError(b, session.Snapshot(&buf))
				saving += cputime.Spent() - begin
				saved += int64(buf.Len())
				begin = cputime.Spent()
				require.NoError(b, session.Flush(ctx))
				sending += cputime.Spent() - begin
			}
			per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(n) / float64(b.N) }
			b.ReportMetric(per(closing), "close-cpu-ns/stream")
			b.ReportMetric(per(saving), "save-cpu-ns/stream")
			b.ReportMetric(per(sending), "send-cpu-ns/stream")
			b.ReportMetric(float64(saved)/float64(n)/float64(b.N), "saved-B/stream")
		})
	}
}

// BenchmarkMemory reports the bytes of a stream, and of each of its windows.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		name       string
		kind       pmetric.MetricType
		aggregates []string
	}{
		{"counters", pmetric.MetricTypeSum, []string{"increase", "rate"}},
		{"gauges", pmetric.MetricTypeGauge, []string{"avg", "min", "max", "last"}},
	} {
		for _, n := range []int{10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/streams=%d", c.name, n), func(b *testing.B) {
				for b.Loop() {
					w, session := benchRollup(b, c.aggregates, nil)
					ctx := delivery.With(b.Context(), session)
					before := live()
					pour := func(by time.Duration) {
						for from := 0; from < n; from += 100 * batchPoints {
							for _, md := range load8Range(from, min(from+100*batchPoints, n), c.kind) {
								tick(md, by)
								require.NoError(b, w.ConsumeMetrics(ctx, md))
							}
						}
					}
					pour(0)
					one := live()
					pour(time.Minute)
					two := live()
					b.ReportMetric(float64(one-before)/float64(n), "B/stream")
					b.ReportMetric(float64(two-one)/float64(n), "B/window")
					runtime.KeepAlive(w)
				}
			})
		}
	}
}

func load8Range(from, to int, kind pmetric.MetricType) []pmetric.Metrics {
	all := load8(to-from, kind)
	for i, md := range all {
		m := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
		var points pmetric.NumberDataPointSlice
		if kind == pmetric.MetricTypeGauge {
			points = m.Gauge().DataPoints()
		} else {
			points = m.Sum().DataPoints()
		}
		for j, dp := range points.All() {
			dp.Attributes().PutStr("user_id", fmt.Sprintf("user-%07d", from+i*batchPoints+j))
		}
	}
	return all
}

func live() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
