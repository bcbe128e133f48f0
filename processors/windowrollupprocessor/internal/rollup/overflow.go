package rollup

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/window"
)

// What marks a stream that stands for all those that found no room. The partition keeps those of two
// instances apart.
const (
	OverflowAttribute  = "otel.metric.overflow"
	PartitionAttribute = "penstock.partition"
)

// maxOverflowStreams bounds overflow streams per rule: one per tenant and metric, so metric names that
// are made up without end find an end too.
const maxOverflowStreams = 1000

// overflow adds p to the overflow stream of its metric and tenant.
func (b *batch) overflow(e *engine, t *table, p *point, isLate bool) bool {
	kept := keyOf(b.attributes, onlyTenant).Plus(b.tenantKey)
	k := keyOfText("overflow", "").In(kept.In(b.metricKey))
	sh := t.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slot, ok := sh.index[k]
	if !ok {
		if e.folded.Add(1) > maxOverflowStreams {
			e.folded.Add(-1)
			return false
		}
		attributes := pcommon.NewMap()
		attributes.PutBool(OverflowAttribute, true)
		attributes.PutStr(PartitionAttribute, b.s.label)
		slot = sh.newSlot(b.slotOf(k, window.Align(p.at, e.base), attributes, nil, b.identity(onlyTenant, false)))
		sh.slots[slot].overflow = true
	}
	b.put(e, t, sh, slot, p, isLate)
	b.out.Folded++
	return true
}

func onlyTenant(name string) bool { return name == tenant.Attribute }

// newSlot describes the output stream of the point at hand.
func (b *batch) newSlot(e *engine, k streamkey.Key, at int64, attributes pcommon.Map) slot {
	kept := b.keptOf(e)
	if kept.ident == nil {
		kept.ident = b.identity(e.group.keepsOfResource, e.group.by == nil)
	}
	keeps := e.group.keeps
	if e.group.all() {
		keeps = nil
	}
	return b.slotOf(k, window.Align(at, e.base), attributes, keeps, kept.ident)
}

func (b *batch) slotOf(k streamkey.Key, start int64, attributes pcommon.Map, keeps func(string) bool, ident []byte) slot {
	names, values := encodeAttributes(attributes, keeps)
	if b.metricText == nil {
		b.metricText = appendString(appendString(appendString(nil, b.m.Name()), b.m.Unit()), b.m.Description())
	}
	return slot{
		values: string(values), key: k, lastSeen: start, born: start,
		names: b.s.names.acquire(names), ident: b.s.idents.acquire(ident), metric: b.s.metrics.acquire(b.metricText),
	}
}

// identity is the text of tenant, resource and scope, as much as is kept of them.
func (b *batch) identity(keepsOfResource func(string) bool, keepScope bool) []byte {
	ident := appendString(nil, b.tenant)
	rn, rv := encodeAttributes(b.attributes, keepsOfResource)
	ident = appendString(appendString(ident, string(rn)), string(rv))
	if keepScope {
		ident = appendString(appendString(ident, b.scope.Name()), b.scope.Version())
		sn, sv := encodeAttributes(b.scope.Attributes(), nil)
		ident = appendString(appendString(ident, string(sn)), string(sv))
	}
	return ident
}

// describe writes tenant, resource, scope and metric of a slot, and returns the tenant.
func (s *State) describe(x *slot, rm pmetric.ResourceMetrics, scope pcommon.InstrumentationScope) (tenant string) {
	ident := s.idents.text(x.ident)
	tenant, ident, _ = cutString(ident)
	var names, values string
	names, ident, _ = cutString(ident)
	values, ident, _ = cutString(ident)
	decodeAttributes(names, values, rm.Resource().Attributes())
	var name, version string
	name, ident, _ = cutString(ident)
	version, ident, _ = cutString(ident)
	scope.SetName(name)
	scope.SetVersion(version)
	names, ident, _ = cutString(ident)
	values, _, _ = cutString(ident)
	decodeAttributes(names, values, scope.Attributes())
	return tenant
}
