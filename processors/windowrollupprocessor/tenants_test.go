package windowrollupprocessor

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/tenant"
)

// total is a cumulative sum of one process.
func total(process string, started, at time.Time, value int64) pmetric.Metrics {
	md := requests(at, "a")
	md.ResourceMetrics().At(0).Resource().Attributes().PutStr("service.instance.id", process)
	sum := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum()
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	sum.DataPoints().At(0).SetStartTimestamp(pcommon.NewTimestampFromTime(started))
	sum.DataPoints().At(0).SetIntValue(value)
	return md
}

// names is an authenticator that names tenants.
type names struct{ component.Component }

func (names) NamesTenants() bool { return true }

// A sender whose tenant changes from default to another, because keys were switched on, counts once: what was counted before is the
// baseline there. A process that starts after that counts from zero.
func TestASenderThatMovesToAnotherTenantCountsOnce(t *testing.T) {
	windows := map[string]map[time.Time]float64{"": {}, "acme": {}} // one that is sent again overwrites
	next, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		name, err := tenant.Client(ctx)
		for _, rm := range md.ResourceMetrics().All() {
			for _, dp := range rm.ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
				windows[name][dp.Timestamp().AsTime()] = dp.DoubleValue()
			}
		}
		return err
	})
	require.NoError(t, err)
	cfg := perMinute(func(c *Config) { c.Rules[0].Aggregates = []string{"increase"} })
	r := newRig(t, cfg, next)
	send := func(name string, after time.Duration, md pmetric.Metrics) {
		t.Helper()
		r.session.Deliver(epoch.Add(after), false)
		ctx := r.ctx
		if name != "" {
			ctx = tenant.With(ctx, name)
		}
		require.NoError(t, r.proc.ConsumeMetrics(ctx, md))
	}
	started := epoch.Add(10 * time.Second)
	send("", 30*time.Second, total("old", started, epoch.Add(30*time.Second), 100))
	send("", 60*time.Second, total("old", started, epoch.Add(60*time.Second), 110))
	r.advance(epoch.Add(10*time.Minute), true)
	state := r.advance(epoch.Add(20*time.Minute), true)
	require.NotEmpty(t, state)

	r.host = host{extensions: map[component.ID]component.Component{component.MustNewID("api_key_auth"): names{}}}
	r.start(state) // with keys
	at := func(s int) time.Time { return epoch.Add(20*time.Minute + time.Duration(s)*time.Second) }
	send("acme", 20*time.Minute, total("old", started, at(0), 130))
	send("acme", 21*time.Minute, total("old", started, at(30), 137))
	send("acme", 22*time.Minute, total("new", at(40), at(60), 5))
	r.advance(delivery.Unbounded(), true)
	increase := func(name string) (sum float64) {
		for _, v := range windows[name] {
			sum += v
		}
		return sum
	}
	assert.Equal(t, 110.0, increase(""))
	assert.Equal(t, 12.0, increase("acme"))
}

// With keys from the beginning, nothing has moved: the first point of a process that started with the gateway counts from zero.
func TestTenantsOfKeysBeginWithThePartition(t *testing.T) {
	sum := 0.0
	next, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		for _, rm := range md.ResourceMetrics().All() {
			sum += rm.ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).DoubleValue()
		}
		return nil
	})
	require.NoError(t, err)
	h := host{extensions: map[component.ID]component.Component{component.MustNewID("api_key_auth"): names{}}}
	r := newRigIn(t, h, perMinute(func(c *Config) { c.Rules[0].Aggregates = []string{"increase"} }), next)
	r.session.Deliver(epoch.Add(time.Minute), false)
	require.NoError(t, r.proc.ConsumeMetrics(tenant.With(r.ctx, "acme"), total("a", epoch.Add(time.Second), epoch.Add(30*time.Second), 7)))
	r.advance(delivery.Unbounded(), true)
	assert.Equal(t, 7.0, sum)
}
