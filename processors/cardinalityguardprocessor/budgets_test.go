package cardinalityguardprocessor

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/tenant"
)

// keys is an extension with budgets of series.
type keys struct {
	component.Component
	of atomic.Pointer[quota.Series]
}

func (k *keys) SeriesBudgets() *quota.Series { return k.of.Load() }

// The budgets of series that keys and quotas have for tenants apply in the guard: those by name first, then patterns, then the guard's
// overrides, then the defaults; a changed one applies after the next checkpoint, and a state keeps the budgets with which it was saved
// until it adopts others.
func TestBudgetsOfTenantsFromExtensions(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	k := &keys{}
	k.of.Store(&quota.Series{Tenants: map[string]int64{"acme": 3, "open": 0}, Matching: []quota.SeriesOf{{Tenant: "a*", Series: 5}}, Default: n(7)})
	h := host{extensions: map[component.ID]component.Component{component.MustNewID("api_key_auth"): k}}
	cfg := testConfig(func(c *Config) {
		c.OnLimit, c.Journal, c.Limits.SeriesPerTenant, c.Limits.SeriesPerMetric = onLimitDrop, journalRequired, 11, 0
		c.Overrides = []OverrideConfig{{Tenant: "beta", Limits: OverrideLimitsConfig{SeriesPerTenant: n(6)}}, {Tenant: "acme", Limits: OverrideLimitsConfig{SeriesPerTenant: n(9)}}}
	})
	sink := &consumertest.MetricsSink{}
	r := newRig(t, cfg)
	g := r.guard.(*guard)
	g.next = sink
	g.rules.find(h)
	session := func(state []byte) *delivery.Session {
		s, err := delivery.NewSession(delivery.Settings{Label: "p", State: state})
		require.NoError(t, err)
		return s
	}
	s := session(nil)
	passed := func(name string, from, to int) int {
		sink.Reset()
		require.NoError(t, g.ConsumeMetrics(tenant.With(delivery.With(t.Context(), s), name), requests(epoch.Add(time.Second), users(from, to)...)))
		return sink.DataPointCount()
	}
	for name, want := range map[string]int{"acme": 3, "open": 20, "axe": 5, "beta": 6, "other": 7} {
		assert.Equal(t, want, passed(name, 0, 20), name)
	}

	k.of.Store(&quota.Series{Tenants: map[string]int64{"acme": 4}})
	assert.Zero(t, passed("acme", 20, 40), "not before a checkpoint")
	var state bytes.Buffer
	require.NoError(t, s.Snapshot(&state))
	assert.Equal(t, 1, passed("acme", 20, 40))
	assert.Equal(t, 11-7, passed("other", 20, 40), "the guard's own again")

	k.of.Store(&quota.Series{Tenants: map[string]int64{"acme": 9}})
	s = session(state.Bytes())
	assert.Equal(t, 1, passed("acme", 20, 40), "what is read again has the budgets that it had")
	s.Adopt()
	assert.Equal(t, 5, passed("acme", 40, 60))
}
