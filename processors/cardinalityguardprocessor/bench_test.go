package cardinalityguardprocessor

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/metadata"
)

// load8 returns batches of a thousand points with eight attributes, for n series in all.
func load8(n int, temporality pmetric.AggregationTemporality) []pmetric.Metrics {
	var batches []pmetric.Metrics
	for from := 0; from < n; from += 1000 {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "checkout")
		rm.Resource().Attributes().PutStr("host.name", fmt.Sprint("host-", from/1000%10))
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("http_requests_total")
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(temporality)
		for i := from; i < min(from+1000, n); i++ {
			dp := sum.DataPoints().AppendEmpty()
			dp.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch))
			dp.SetTimestamp(pcommon.NewTimestampFromTime(epoch.Add(time.Second)))
			dp.SetIntValue(1)
			for k := range 7 {
				dp.Attributes().PutStr(fmt.Sprint("http.attribute.", k), fmt.Sprint("value-", i%(k+2)))
			}
			dp.Attributes().PutStr("user_id", fmt.Sprintf("user-%07d", i))
		}
		batches = append(batches, md)
	}
	return batches
}

func benchGuard(tb testing.TB, change func(*Config)) *guard {
	tb.Helper()
	g, err := newGuard(testConfig(func(c *Config) {
		c.InstanceID, c.Limits.SeriesPerMetric, c.Limits.Series = "bench", 0, 0
		change(c)
	}), processortest.NewNopSettings(metadata.Type), consumertest.NewNop())
	require.NoError(tb, err)
	require.NoError(tb, g.Start(tb.Context(), componenttest.NewNopHost()))
	tb.Cleanup(func() { _ = g.Shutdown(tb.Context()) })
	return g
}

// Points of admitted series cost no allocation; a batch costs a few.
func TestAdmittedPointsDontAllocate(t *testing.T) {
	g := benchGuard(t, func(*Config) {})
	batch := load8(1000, pmetric.AggregationTemporalityCumulative)[0]
	require.NoError(t, g.ConsumeMetrics(t.Context(), batch))
	perBatch := testing.AllocsPerRun(50, func() { _ = g.ConsumeMetrics(t.Context(), batch) })
	require.LessOrEqual(t, perBatch, 4.0)
}

func BenchmarkAdmitted(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("series=", n), func(b *testing.B) {
			g := benchGuard(b, func(*Config) {})
			batches := load8(n, pmetric.AggregationTemporalityCumulative)
			for _, md := range batches {
				require.NoError(b, g.ConsumeMetrics(b.Context(), md))
			}
			b.ReportAllocs()
			points, before := 0, cputime.Spent()
			for i := 0; b.Loop(); i++ {
				_ = g.ConsumeMetrics(b.Context(), batches[i%len(batches)])
				points += 1000
			}
			b.ReportMetric(float64(cputime.Spent()-before)/float64(points), "cpu-ns/point")
		})
	}
}

func BenchmarkFolded(b *testing.B) {
	for _, temporality := range []pmetric.AggregationTemporality{pmetric.AggregationTemporalityDelta, pmetric.AggregationTemporalityCumulative} {
		b.Run(temporality.String(), func(b *testing.B) {
			g := benchGuard(b, func(c *Config) { c.Limits.SeriesPerMetric = 1000 })
			batches := load8(100_000, temporality)
			points, copied := 0, pmetric.NewMetrics()
			b.ReportAllocs()
			spent := time.Duration(0) // without copying the batch
			for i := 0; b.Loop(); i++ {
				batches[i%len(batches)].CopyTo(copied)
				dps := copied.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
				for j := range dps.Len() { // or all but the first round would be repetitions
					dps.At(j).SetStartTimestamp(pcommon.NewTimestampFromTime(epoch.Add(time.Duration(i))))
				}
				before := cputime.Spent()
				_ = g.ConsumeMetrics(b.Context(), copied)
				spent += cputime.Spent() - before
				points += 1000
			}
			b.ReportMetric(float64(spent)/float64(points), "cpu-ns/point")
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("series=", n), func(b *testing.B) {
			g := benchGuard(b, func(*Config) {})
			for _, md := range load8(n, pmetric.AggregationTemporalityCumulative) {
				require.NoError(b, g.ConsumeMetrics(b.Context(), md))
			}
			var buf bytes.Buffer
			for b.Loop() {
				buf.Reset()
				require.NoError(b, unjournaled(b, g).session.Snapshot(&buf))
			}
			b.ReportMetric(float64(buf.Len())/float64(n), "B/series")
		})
	}
	b.Run("contributors=100000", func(b *testing.B) {
		g := benchGuard(b, func(c *Config) { c.Limits.SeriesPerMetric = 1 })
		for _, md := range load8(100_000, pmetric.AggregationTemporalityCumulative) {
			require.NoError(b, g.ConsumeMetrics(b.Context(), md))
		}
		var buf bytes.Buffer
		for b.Loop() {
			buf.Reset()
			require.NoError(b, unjournaled(b, g).session.Snapshot(&buf))
		}
		b.ReportMetric(float64(buf.Len())/100_000, "B/contributor")
	})
}
