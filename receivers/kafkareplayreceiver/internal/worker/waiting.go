package worker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

const (
	// waitingRecords and waitingTenants bound a search in the waiting records.
	waitingRecords = 5000
	waitingTenants = 8
)

// Waiting returns tenants of the records from first up to next, at most eight, of the first 5000 records.
func Waiting(ctx context.Context, admin *kgo.Client, topic string, partition int32, first, next int64) (tenants []string) {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	// An error ends the search: the tenants found so far are a sufficient sample.
	_ = cluster.Scan(ctx, admin, topic, partition, first, min(next, first+waitingRecords), func(k *kgo.Record) bool {
		if r, err := journal.FromKafka(k); err == nil && !slices.Contains(tenants, r.Tenant) {
			tenants = append(tenants, r.Tenant)
		}
		return len(tenants) < waitingTenants
	})
	return tenants
}
