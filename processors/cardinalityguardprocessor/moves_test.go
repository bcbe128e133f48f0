package cardinalityguardprocessor

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/tenant"
)

// Folded points of a sender whose tenant changes from default to another, because keys were switched on, count once: what was counted
// before is the baseline there.
func TestAFoldedSenderThatMovesToAnotherTenantCountsOnce(t *testing.T) {
	r := newRig(t, testConfig(func(c *Config) { c.Journal, c.Limits.SeriesPerMetric = journalRequired, 1 }))
	g, sink := r.guard.(*guard), &consumertest.MetricsSink{}
	g.next = sink
	s, err := delivery.NewSession(delivery.Settings{Label: "p", Source: delivery.Live, Began: epoch})
	require.NoError(t, err)
	send := func(name string, after time.Duration, value int64) {
		md := requests(epoch.Add(after), users(0, 3)...)
		sum := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum()
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for _, dp := range sum.DataPoints().All() {
			dp.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch.Add(time.Second)))
			dp.SetIntValue(value)
		}
		s.Deliver(epoch.Add(after), false)
		require.NoError(t, g.ConsumeMetrics(tenant.With(delivery.With(t.Context(), s), name), md))
	}
	folded := func() (total int64) {
		require.True(t, s.Advance(delivery.Unbounded(), true))
		sink.Reset()
		require.NoError(t, s.Flush(delivery.With(t.Context(), s)))
		for _, md := range sink.AllMetrics() {
			for _, rm := range md.ResourceMetrics().All() {
				for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
					if m.Name() != "requests" {
						continue
					}
					newest := map[string]int64{}
					for _, dp := range m.Sum().DataPoints().All() {
						newest[fmt.Sprint(dp.Attributes().AsRaw())] = dp.IntValue()
					}
					for _, v := range newest {
						total += v
					}
				}
			}
		}
		return total
	}
	send(tenant.Default, time.Minute, 100)
	assert.EqualValues(t, 200, folded(), "two of three series are past the budget, and began behind the state")
	send("acme", 2*time.Minute, 130)
	send("acme", 3*time.Minute, 137)
	assert.EqualValues(t, 14, folded())
}
