package ledgerextension

import (
	"cmp"
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/internal/usage"
)

// watched is a source of active series.
type watched struct{ source usage.Source }

// Query counts a query of a tenant to a store.
func (l *ledgerExtension) Query(tenant, store string, q usage.Queries) {
	l.queries.Use(usage.Key{Tenant: tenant, Signal: store}, q)
}

// Watch adds a source of active series until remove is called, which may be repeated.
func (l *ledgerExtension) Watch(s usage.Source) (remove func()) {
	w := &watched{s}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watched = append(l.watched, w)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watched = slices.DeleteFunc(l.watched, func(x *watched) bool { return x == w })
	}
}

// queried is the queries of a tenant to a store.
type queried struct {
	Tenant  string  `json:"tenant"` // empty: operators
	Store   string  `json:"store"`
	Queries int64   `json:"queries"`
	Seconds float64 `json:"seconds"`
	Cost    float64 `json:"cost"`
}

// series are the active series of a service, and the cause of their growth: the attribute with most values of a metric.
type series struct {
	Tenant    string `json:"tenant"`
	Service   string `json:"service"`
	Series    int64  `json:"series"`
	Metric    string `json:"metric"`
	Attribute string `json:"attribute"` // empty if no metric of the service is large enough for its attributes to be watched
	Values    uint64 `json:"values"`
}

// queriesByStore lists queries by tenant and store. They have no signal: a store may have several.
func (l *ledgerExtension) queriesByStore(q query) []queried {
	all := []queried{}
	if q.signal != "" {
		return all
	}
	l.queries.Each(func(k usage.Key, n usage.Queries) {
		if q.tenant == "" || q.tenant == k.Tenant {
			all = append(all, queried{k.Tenant, cmp.Or(k.Signal, usage.Other), n.Number, n.Time.Seconds(), l.cfg.Prices.queries(n.Time)})
		}
	})
	slices.SortFunc(all, func(x, y queried) int { return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Store, y.Store)) })
	return all
}

// active lists active series by tenant and service, the largest first; past usage::max_services they count as (other). While adding up it holds as
// many services as the sources, which have their own bounds.
func (l *ledgerExtension) active(q query) []series {
	all := []series{}
	if q.signal != "" && q.signal != "metrics" {
		return all
	}
	l.mu.Lock()
	sources := slices.Clone(l.watched)
	l.mu.Unlock()
	sums := map[usage.Key]usage.Series{}
	for _, w := range sources {
		w.source(func(tenant, service string, s usage.Series) {
			if k := (usage.Key{Tenant: tenant, Service: service}); q.tenant == "" || q.tenant == tenant {
				sums[k] = sums[k].Plus(s)
			}
		})
	}
	keys := make([]usage.Key, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y usage.Key) int {
		return cmp.Or(cmp.Compare(sums[y].Active, sums[x].Active), cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Service, y.Service))
	})
	bounded := usage.NewMeter[usage.Series](l.cfg.Usage.MaxServices)
	for _, k := range keys {
		bounded.Use(k, sums[k])
	}
	bounded.Each(func(k usage.Key, s usage.Series) {
		all = append(all, series{k.Tenant, k.Service, s.Active, s.Driver.Metric, s.Driver.Attribute, s.Driver.Values})
	})
	slices.SortFunc(all, func(x, y series) int {
		return cmp.Or(cmp.Compare(y.Series, x.Series), cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Service, y.Service))
	})
	return all
}

// observeQueries exports the time of queries, if configured.
func (l *ledgerExtension) observeQueries(_ context.Context, o metric.Float64Observer) error {
	if l.cfg.Usage.Metrics {
		for _, a := range l.queriesByStore(query{}) {
			o.Observe(a.Seconds, metric.WithAttributes(attribute.String("store", a.Store), attribute.String("tenant", a.Tenant)))
		}
	}
	return nil
}

// observeSeries exports active series, if configured.
func (l *ledgerExtension) observeSeries(_ context.Context, o metric.Int64Observer) error {
	if l.cfg.Usage.Metrics {
		for _, s := range l.active(query{}) {
			o.Observe(s.Series, metric.WithAttributes(attribute.String("service", s.Service), attribute.String("tenant", s.Tenant)))
		}
	}
	return nil
}
