package prometheustsdbexporter

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// The tenant rule, the same in every component of Penstock.
const (
	tenantMetadata  = "x-scope-orgid"
	tenantAttribute = "tenant.id"
	defaultTenant   = "default"
)

// eachTenant calls f with the metrics of each tenant, in the order in which they first appear. What belongs to one tenant,
// the usual case, is not copied. The error holds the metrics of those tenants alone for which f failed.
func eachTenant(ctx context.Context, md pmetric.Metrics, f func(tenant string, md pmetric.Metrics) error) error {
	if sent := client.FromContext(ctx).Metadata.Get(tenantMetadata); len(sent) > 0 && sent[0] != "" {
		return f(sent[0], md)
	}
	var order []string
	resources := map[string][]int{}
	for i, rm := range md.ResourceMetrics().All() {
		t := tenantOf(rm.Resource())
		if _, ok := resources[t]; !ok {
			order = append(order, t)
		}
		resources[t] = append(resources[t], i)
	}
	if len(order) == 1 {
		return f(order[0], md)
	}
	var errs error
	failed := pmetric.NewMetrics()
	for _, t := range order {
		part := pmetric.NewMetrics()
		for _, i := range resources[t] {
			md.ResourceMetrics().At(i).CopyTo(part.ResourceMetrics().AppendEmpty())
		}
		if err := f(t, part); err != nil {
			errs = errors.Join(errs, err)
			part.ResourceMetrics().MoveAndAppendTo(failed.ResourceMetrics())
		}
	}
	if errs != nil {
		return consumererror.NewMetrics(errs, failed)
	}
	return nil
}

func tenantOf(r pcommon.Resource) string {
	if v, ok := r.Attributes().Get(tenantAttribute); ok {
		if t := v.AsString(); t != "" {
			return t
		}
	}
	return defaultTenant
}
