package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor"
)

// Behind a guard that folds most series, in one session of a journal, the rollup has every point: the guard's panes close before
// the windows that they belong to, because the low watermark is handed down. allowed_lateness is zero, so nothing
// else can save them. In some runs both are saved and restored at every step.
func TestGuardHandsItsLowWatermarkDown(t *testing.T) {
	for seed := range uint64(60) {
		var total int64
		sink, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
			for _, rm := range md.ResourceMetrics().All() {
				for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
					if m.Name() == "requests.sum" {
						for _, dp := range m.Sum().DataPoints().All() {
							total += int64(dp.DoubleValue())
						}
					}
				}
			}
			return nil
		})
		require.NoError(t, err)
		tel := componenttest.NewTelemetry()
		rnd := rand.New(rand.NewPCG(seed, 5))
		begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		var session *delivery.Session
		var head processor.Metrics
		var ctx context.Context
		start := func(state []byte) {
			rollup := newProcessor(t, tel, windowrollupprocessor.NewFactory(), `
journal: required
allowed_lateness: 0s
rules: [{match: {metric: requests}, windows: [{size: 1m}, {size: 5m}], by: [service.name], aggregates: [sum], keep_raw: false}]`, sink)
			head = newProcessor(t, tel, cardinalityguardprocessor.NewFactory(), `
journal: required
limits: {series_per_metric: 3}
flush_interval: 15s
report: {interval: 0s}`, rollup)
			session, err = delivery.NewSession(delivery.Settings{Label: "p.metrics-0", Began: begin, State: state})
			require.NoError(t, err)
			ctx = delivery.With(t.Context(), session)
			require.NoError(t, head.ConsumeMetrics(ctx, pmetric.NewMetrics()))
			require.NoError(t, session.Flush(ctx))
			session.Adopt()
		}
		start(nil)
		now, sent := begin, int64(0)
		for range 150 {
			now = now.Add(time.Duration(rnd.IntN(6)) * time.Second)
			value := int64(1 + rnd.IntN(100))
			sent += value
			require.NoError(t, head.ConsumeMetrics(ctx, aRequest(now, rnd.IntN(20), value)))
			for session.Advance(begin, false) {
				var state bytes.Buffer
				require.NoError(t, session.Snapshot(&state))
				if seed%2 == 1 {
					session.Close()
					start(state.Bytes()) // which sends the outbox
				} else {
					require.NoError(t, session.Flush(ctx))
				}
			}
		}
		for session.Advance(delivery.Unbounded(), true) {
			require.NoError(t, session.Flush(ctx))
		}
		assert.Equal(t, 2*sent, total, "seed %d: one minute and five minutes have everything", seed)
		late, err := tel.GetMetric("otelcol_processor_window_rollup_lost_points")
		if err == nil {
			assert.NotContains(t, fmt.Sprint(late.Data), "late", "seed %d", seed)
		}
	}
}

func newProcessor(t *testing.T, tel *componenttest.Telemetry, factory processor.Factory, text string, next consumer.Metrics) processor.Metrics {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	cfg := factory.CreateDefaultConfig()
	require.NoError(t, conf.Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
	set := processortest.NewNopSettings(factory.Type())
	set.TelemetrySettings = tel.NewTelemetrySettings()
	p, err := factory.CreateMetrics(t.Context(), set, cfg, next)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	return p
}

func aRequest(at time.Time, user int, value int64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("requests")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	dp := m.Sum().DataPoints().AppendEmpty()
	dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
	dp.SetIntValue(value)
	dp.Attributes().PutInt("user", int64(user))
	return md
}
