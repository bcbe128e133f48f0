package accumulate_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
)

// many is a point of each of n streams, with eight attributes.
func many(n int) pmetric.Metrics {
	md := delta()
	md.ResourceMetrics().At(0).Resource().Attributes().PutStr("service.name", "shop")
	for i := range n {
		dp := points(md).AppendEmpty()
		for j := range 7 {
			dp.Attributes().PutStr(fmt.Sprint("attribute", j), "value")
		}
		dp.Attributes().PutStr("stream", fmt.Sprint(i))
	}
	return md
}

// step makes md deltas of 1 at time at.
func step(md pmetric.Metrics, at time.Time) {
	md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for _, dp := range points(md).All() {
		dp.SetStartTimestamp(pcommon.NewTimestampFromTime(at.Add(-time.Second)))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		dp.SetIntValue(1)
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := accumulate.New(accumulate.Settings{MaxStreams: 1e6, Idle: time.Hour})
			md, at := many(n), epoch
			step(md, at)
			s.Apply(md, batch())
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				at = at.Add(time.Second)
				step(md, at)
				b.StartTimer()
				s.Apply(md, batch())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/point")
		})
	}
}

// The memory of the README, measured.
func TestStreamBytes(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 100_000
	md := many(n)
	s := accumulate.New(accumulate.Settings{MaxStreams: n, Idle: time.Hour})
	step(md, epoch)
	before := heap()
	s.Apply(md, batch())
	step(md, epoch.Add(time.Second))
	s.Apply(md, batch()) // forgets what Undo needed
	per := float64(heap()-before) / n
	t.Logf("%.0f bytes a stream", per)
	assert.Less(t, per, 420.0)
	runtime.KeepAlive(md)
	runtime.KeepAlive(s)
}
