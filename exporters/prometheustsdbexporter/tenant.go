package prometheustsdbexporter

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/tenant"
)

// eachTenant calls f with the metrics of each tenant, in the order in which they first appear. In the usual case of one tenant it copies
// nothing. The error contains only the metrics of tenants for which f failed. badName gets the metrics of tenants with an invalid name: if
// they were sent as another tenant's, that tenant would see them. Downstream of a journal there are none.
func eachTenant(ctx context.Context, md pmetric.Metrics, f func(name string, md pmetric.Metrics) error, badName func(pmetric.Metrics, error)) error {
	fromClient, err := tenant.Client(ctx)
	if err != nil {
		badName(md, err)
		return nil
	}
	if fromClient != "" {
		return f(fromClient, md)
	}
	type share struct {
		name      string
		bad       error
		resources []int
	}
	var shares []*share
	index := map[string]*share{}
	for i, rm := range md.ResourceMetrics().All() {
		name, err := tenant.Of("", rm.Resource().Attributes())
		key := name
		if err != nil {
			key = "" // not a valid tenant name
		}
		s, ok := index[key]
		if !ok {
			s = &share{name: name, bad: err}
			index[key] = s
			shares = append(shares, s)
		}
		s.resources = append(s.resources, i)
	}
	if len(shares) == 1 && shares[0].bad == nil {
		return f(shares[0].name, md)
	}
	var errs error
	failed := pmetric.NewMetrics()
	for _, s := range shares {
		part := pmetric.NewMetrics()
		for _, i := range s.resources {
			md.ResourceMetrics().At(i).CopyTo(part.ResourceMetrics().AppendEmpty())
		}
		if s.bad != nil {
			badName(part, s.bad)
			continue
		}
		if err := f(s.name, part); err != nil {
			errs = errors.Join(errs, err)
			part.ResourceMetrics().MoveAndAppendTo(failed.ResourceMetrics())
		}
	}
	if errs != nil {
		return consumererror.NewMetrics(errs, failed)
	}
	return nil
}
