package guard

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor"
)

const (
	newSeriesPerSecond = 50_000
	batchSize          = 1000
)

// BenchmarkExplosion sends batches of admitted series, 100 a second, first alone and then beside 50 000 new series a
// second, for as many seconds each as there are iterations (60x is a minute). It reports the 99th percentile of both
// and the heap that the guard has grown by.
func BenchmarkExplosion(b *testing.B) {
	f := cardinalityguardprocessor.NewFactory()
	cfg := f.CreateDefaultConfig().(*cardinalityguardprocessor.Config)
	cfg.InstanceID = "bench"
	g, err := f.CreateMetrics(b.Context(), processortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, g.Start(b.Context(), componenttest.NewNopHost()))
	b.Cleanup(func() { require.NoError(b, g.Shutdown(context.Background())) })
	admitted := counters(0, batchSize, "known")
	require.NoError(b, g.ConsumeMetrics(b.Context(), admitted))
	before := heap()

	duration := time.Duration(b.N) * time.Second
	quiet := paced(b, g, admitted, duration)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Second * batchSize / newSeriesPerSecond)
		defer tick.Stop()
		for from := 0; !stop.Load(); from += batchSize {
			if err := g.ConsumeMetrics(context.Background(), counters(from, batchSize, "new")); err != nil {
				b.Error(err)
			}
			<-tick.C
		}
	})
	loud := paced(b, g, admitted, duration)
	stop.Store(true)
	wg.Wait()
	b.ReportMetric(float64(p99(quiet).Microseconds()), "µs-p99-quiet")
	b.ReportMetric(float64(p99(loud).Microseconds()), "µs-p99-loud")
	b.ReportMetric(float64(p99(loud))/float64(p99(quiet)), "x")
	b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
}

// paced sends a batch every 10 ms and returns how long each took.
func paced(b *testing.B, g processor.Metrics, md pmetric.Metrics, duration time.Duration) (took []time.Duration) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(duration); time.Now().Before(end); <-tick.C {
		begin := time.Now()
		require.NoError(b, g.ConsumeMetrics(b.Context(), md))
		took = append(took, time.Since(begin))
	}
	return took
}

func p99(took []time.Duration) time.Duration {
	took = slices.Sorted(slices.Values(took))
	return took[len(took)*99/100]
}

// counters returns a batch of cumulative points with eight attributes, for n series from number from on.
func counters(from, n int, kind string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "orders")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("http.server.requests")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	now := time.Now()
	for i := from; i < from+n; i++ {
		dp := sum.DataPoints().AppendEmpty()
		dp.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Millisecond)))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(now))
		dp.SetIntValue(1)
		for _, a := range strings.Fields(attributes)[:7] {
			name, value, _ := strings.Cut(a, "=")
			dp.Attributes().PutStr(name, value)
		}
		dp.Attributes().PutStr("user.id", kind+strconv.Itoa(i))
	}
	return md
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
