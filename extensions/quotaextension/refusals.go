package quotaextension

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/quotaextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/quota"
)

const (
	maxCounted = 100      // tenants whose refusals are counted by name
	others     = "_other" // further tenants, and requests of several tenants
)

// refusals counts refusals. byTenant: with the names of the first maxCounted refused tenants, because clients choose names where no key does.
type refusals struct {
	telemetry *metadata.TelemetryBuilder
	byTenant  bool
	mu        sync.Mutex
	counted   map[string]struct{} // guarded by mu
}

func newRefusals(t *metadata.TelemetryBuilder, byTenant bool) *refusals {
	return &refusals{telemetry: t, byTenant: byTenant, counted: map[string]struct{}{}}
}

// count returns the attributes to count with.
func (f *refusals) count(ctx context.Context, tenant string, r *quota.Refusal) *quota.Refusal {
	attributes := []attribute.KeyValue{attribute.String("reason", string(r.Reason)), attribute.String("scope", string(r.Scope))}
	if f.byTenant {
		attributes = append(attributes, attribute.String("tenant", f.name(tenant)))
	}
	f.telemetry.ExtensionQuotaRefusedRequests.Add(context.WithoutCancel(ctx), 1, metric.WithAttributes(attributes...))
	return r
}

func (f *refusals) name(tenant string) string {
	if tenant == "" {
		return others
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.counted[tenant]; ok {
		return tenant
	}
	if len(f.counted) >= maxCounted {
		return others
	}
	f.counted[tenant] = struct{}{}
	return tenant
}
