package keyauthorizerprocessor_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/processors/keyauthorizerprocessor"
)

// BenchmarkCheck measures a request of 1000 records: without a key, with one that has no limits, and with one for 1 or 50 services, where the
// records are of 1 or 50 resources. The cost is that of a resource, not of a record.
func BenchmarkCheck(b *testing.B) {
	services := make([]string, 50)
	for i := range services {
		services[i] = fmt.Sprintf("service-%02d", i)
	}
	for name, c := range map[string]struct {
		auth      client.AuthData
		resources int
	}{
		"no key":                    {nil, 50},
		"key without limits":        {key{}, 50},
		"one service, one resource": {key{"signals": {"logs"}, "services": services[:1]}, 1},
		"50 services, 50 resources": {key{"signals": {"logs"}, "services": services}, 50},
	} {
		b.Run(name, func(b *testing.B) {
			factory := keyauthorizerprocessor.NewFactory()
			p, err := factory.CreateLogs(b.Context(), processortest.NewNopSettings(factory.Type()), factory.CreateDefaultConfig(), consumertest.NewNop())
			require.NoError(b, err)
			require.NoError(b, p.Start(b.Context(), componenttest.NewNopHost()))
			b.Cleanup(func() { require.NoError(b, p.Shutdown(context.Background())) })
			logs := plog.NewLogs()
			for i := range c.resources {
				r := logs.ResourceLogs().AppendEmpty()
				r.Resource().Attributes().PutStr("service.name", services[i])
				records := r.ScopeLogs().AppendEmpty().LogRecords()
				for range 1000 / c.resources {
					records.AppendEmpty()
				}
			}
			ctx := client.NewContext(b.Context(), client.Info{Auth: c.auth})
			b.ReportAllocs()
			for b.Loop() {
				if err := p.ConsumeLogs(ctx, logs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
