package translate

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/zeebo/xxh3"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// Names returns the series that points become, without making samples of them. Not safe for concurrent use.
type Names struct {
	c        *converter
	tenantOf func(pcommon.Resource) string
	buf      []byte

	// The arguments of the last call.
	rm       pmetric.ResourceMetrics
	sm       pmetric.ScopeMetrics
	m        pmetric.Metric
	salt     streamkey.Key // of the tenant
	promoted []labels.Label
	name     string
	named    bool
}

// Names returns them. tenantOf returns the tenant of a resource: equal series of two tenants are different. Close releases the memory.
func (t *Translator) Names(tenantOf func(pcommon.Resource) string) *Names {
	return &Names{c: t.pool.Get().(*converter), tenantOf: tenantOf}
}

// Close ends the use of n.
func (n *Names) Close() {
	n.c.t.put(n.c)
	n.c = nil
}

// Series returns the key of the series that a point of m with these attributes becomes; of a histogram, one key for all its series. ok is
// false if it becomes none. It is fastest if called for the points of one metric after the other.
func (n *Names) Series(rm pmetric.ResourceMetrics, sm pmetric.ScopeMetrics, m pmetric.Metric, attributes pcommon.Map) (key streamkey.Key, ok bool) {
	if n.rm != rm {
		n.rm, n.sm, n.m = rm, pmetric.ScopeMetrics{}, pmetric.Metric{}
		n.c.resource = identity(rm.Resource().Attributes())
		n.promoted = n.c.promote(rm.Resource().Attributes())
		n.salt = streamkey.StringAttribute("tenant", n.tenantOf(rm.Resource()))
	}
	if n.sm != sm {
		n.sm, n.m = sm, pmetric.Metric{}
		n.c.enter(n.promoted, n.c.scopeLabels(sm))
	}
	if n.m != m {
		name, err := n.c.metricName(m)
		n.m, n.name, n.named = m, name, err == nil
	}
	if !n.named {
		return key, false
	}
	n.c.attributes(attributes)
	n.buf = n.c.build(n.c.plan(noExtra), n.name, "").Bytes(n.buf)
	return streamkey.Key(xxh3.Hash128(n.buf)).Plus(n.salt), true
}
