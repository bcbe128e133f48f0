package quotaprocessor_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/processors/quotaprocessor"
)

// BenchmarkConsume is the processor's own cost: counting the items of a request of 100 points. BenchmarkRequest of the extension is the rest, and
// testbed/bench/quota compares both with appending to the journal.
func BenchmarkConsume(b *testing.B) {
	f := quotaprocessor.NewFactory()
	p, err := f.CreateMetrics(b.Context(), processortest.NewNopSettings(f.Type()), f.CreateDefaultConfig(), consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(b.Context(), componenttest.NewNopHost()))
	defer func() { require.NoError(b, p.Shutdown(b.Context())) }()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "checkout")
	metrics := rm.ScopeMetrics().AppendEmpty().Metrics()
	for range 100 {
		metrics.AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty()
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.ConsumeMetrics(b.Context(), md); err != nil {
			b.Fatal(err)
		}
	}
}
