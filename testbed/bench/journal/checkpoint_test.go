package journal

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

// BenchmarkCheckpoint writes and restores the state of guard and rollup, with so many series that the guard has admitted and the rollup
// follows (cumulative sums, eight attributes each, an hour's window for each), as one checkpoint.
func BenchmarkCheckpoint(b *testing.B) {
	for _, streams := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			head := components(b)
			session, err := delivery.NewSession(delivery.Settings{Label: "p.metrics-0"})
			require.NoError(b, err)
			ctx := delivery.With(b.Context(), session)
			for from := 0; from < streams; from += 10_000 {
				require.NoError(b, head.ConsumeMetrics(ctx, series(from, 10_000, 0))) // a baseline
				require.NoError(b, head.ConsumeMetrics(ctx, series(from, 10_000, 1)))
			}
			var state bytes.Buffer
			var wrote, restored []float64                                                 // ms of CPU
			encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest)) // as the store
			require.NoError(b, err)
			for b.Loop() {
				state.Reset()
				began := cputime.Spent()
				require.NoError(b, session.Snapshot(&state))
				records := (&delivery.Checkpoint{State: state.Bytes()}).Records(delivery.Generation{Number: 1})
				wrote = append(wrote, (cputime.Spent()-began).Seconds()*1000)
				require.NotEmpty(b, records)
				began = cputime.Spent()
				again, err := delivery.NewSession(delivery.Settings{Label: "p.metrics-0", State: state.Bytes()})
				require.NoError(b, err)
				require.NoError(b, components(b).ConsumeMetrics(delivery.With(b.Context(), again), pmetric.NewMetrics()))
				restored = append(restored, (cputime.Spent()-began).Seconds()*1000)
				again.Close()
			}
			compressed := len(encoder.EncodeAll(state.Bytes(), nil))
			measure.Report(b, []float64{float64(state.Len()) / 1e6}, "MB")
			measure.Report(b, []float64{float64(compressed) / 1e6}, "MB-zstd")
			measure.Report(b, wrote, "write-cpu-ms")
			measure.Report(b, restored, "restore-cpu-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func components(b *testing.B) consumer.Metrics {
	b.Helper()
	make := func(factory processor.Factory, yaml map[string]any, next consumer.Metrics) consumer.Metrics {
		cfg := factory.CreateDefaultConfig()
		require.NoError(b, confmap.NewFromStringMap(yaml).Unmarshal(cfg))
		p, err := factory.CreateMetrics(context.Background(), processortest.NewNopSettings(factory.Type()), cfg, next)
		require.NoError(b, err)
		require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
		b.Cleanup(func() { _ = p.Shutdown(context.Background()) })
		return p
	}
	rollup := make(windowrollupprocessor.NewFactory(), map[string]any{"journal": "required", "max_streams": 2_000_000, "max_input_streams": 2_000_000,
		"rules": []any{map[string]any{"windows": []any{map[string]any{"size": "1h"}}, "aggregates": []any{"increase"}}}}, consumertest.NewNop())
	return make(cardinalityguardprocessor.NewFactory(), map[string]any{"journal": "required", "report": map[string]any{"interval": 0},
		"limits": map[string]any{"series": 2_000_000, "series_per_metric": 2_000_000}}, rollup)
}

func series(from, n int, round int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "orders")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("http.server.requests")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	now := time.Now().Add(time.Duration(round) * time.Second)
	for i := from; i < from+n; i++ {
		p := sum.DataPoints().AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Hour)))
		p.SetTimestamp(pcommon.NewTimestampFromTime(now))
		p.SetIntValue(int64(i + round))
		for a := range 7 {
			p.Attributes().PutStr(fmt.Sprint("attribute.", a), fmt.Sprint("value-", a))
		}
		p.Attributes().PutInt("user_id", int64(i))
	}
	return md
}
