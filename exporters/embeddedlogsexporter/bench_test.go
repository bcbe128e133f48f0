package embeddedlogsexporter

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/delivery"
)

// noStore takes everything and keeps nothing: what remains is the exporter.
type noStore struct{ fakeStore }

func (*noStore) AddLogs(_ context.Context, ld plog.Logs, _ string, _ int64, _ time.Time, tenantOf func(pcommon.Map) string, _ func(int) bool, _ bool) (int, map[string]int, error) {
	for _, rl := range ld.ResourceLogs().All() {
		tenantOf(rl.Resource().Attributes())
	}
	return ld.LogRecordCount(), nil, nil
}

// BenchmarkConsume is what the exporter adds to the store's own cost for each record of the journal: place, tenant and counters.
func BenchmarkConsume(b *testing.B) {
	for _, rows := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			logs := newLogs(b, &noStore{})
			live := session(b, delivery.Live, 0)
			join(b, logs, live)
			ld := plog.NewLogs()
			rl := ld.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", "shop")
			records := rl.ScopeLogs().AppendEmpty().LogRecords()
			for range rows {
				records.AppendEmpty().Body().SetStr("x")
			}
			b.ReportAllocs()
			for offset := int64(0); b.Loop(); offset++ {
				ctx := delivery.Delivery{Session: live, At: &delivery.At{Offset: offset, Time: time.Unix(offset, 0), Whole: true}}.In(b.Context())
				require.NoError(b, logs.ConsumeLogs(ctx, ld))
			}
		})
	}
}
