package cardinalityguardprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/usage"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/metadata"
)

// bookkeeper is a ledger that requests the series.
type bookkeeper struct {
	component.Component
	source usage.Source
}

func (*bookkeeper) Use(usage.Key, usage.Sum)            {}
func (*bookkeeper) Query(string, string, usage.Queries) {}
func (b *bookkeeper) Watch(s usage.Source) func() {
	b.source = s
	return func() { b.source = nil }
}

// The ledger gets the active series of each tenant and service, and the attribute that makes them grow.
func TestTheLedgerKnowsTheSeries(t *testing.T) {
	b := &bookkeeper{}
	g, err := newGuard(testConfig(func(c *Config) { c.Limits.SeriesPerMetric = 20 }), processortest.NewNopSettings(metadata.Type), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, g.Start(t.Context(), host{map[component.ID]component.Component{component.MustNewID("ledger"): b}}))
	require.NoError(t, g.ConsumeMetrics(t.Context(), requests(epoch, users(0, 50)...)))
	require.NoError(t, g.ConsumeMetrics(tenant.With(t.Context(), "acme"), requests(epoch, "a", "b")))
	sums := map[string]usage.Series{}
	b.source(func(tenant, service string, s usage.Series) {
		assert.Equal(t, "checkout", service)
		sums[tenant] = sums[tenant].Plus(s)
	})
	require.Len(t, sums, 2)
	d := sums[tenant.Default].Driver
	assert.EqualValues(t, 20, sums[tenant.Default].Active)
	assert.Equal(t, "user_id", d.Attribute)
	assert.InDelta(t, 50, d.Values, 3)
	assert.EqualValues(t, 2, sums["acme"].Active)
	assert.Equal(t, d.Metric, sums["acme"].Driver.Metric)
	require.NoError(t, g.Shutdown(t.Context()))
	assert.Nil(t, b.source)
}
