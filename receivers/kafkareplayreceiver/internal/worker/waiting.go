package worker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

const (
	// waitingRecords and waitingTenants bound a look at the records that wait.
	waitingRecords = 5000
	waitingTenants = 8
)

// Waiting returns tenants of the records from first up to next, eight at most, of the first 5000.
func Waiting(ctx context.Context, asking *kgo.Client, topic string, partition int32, first, next int64) (tenants []string) {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	// An error ends the look: what was found so far is as good as any other part.
	_ = cluster.Scan(ctx, asking, topic, partition, first, min(next, first+waitingRecords), func(k *kgo.Record) bool {
		if r, err := journal.FromKafka(k); err == nil && !slices.Contains(tenants, r.Tenant) {
			tenants = append(tenants, r.Tenant)
		}
		return len(tenants) < waitingTenants
	})
	return tenants
}
