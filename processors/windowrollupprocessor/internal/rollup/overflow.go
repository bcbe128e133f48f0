package rollup

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/window"
)

// Attributes of an overflow stream. The partition distinguishes those of two instances.
const (
	OverflowAttribute  = "otel.metric.overflow"
	PartitionAttribute = "penstock.partition"
)

// maxOverflowStreams bounds overflow streams per rule, of which there is one per tenant and metric: so even invented metric names are
// bounded.
const maxOverflowStreams = 1000

// overflow adds p to the overflow stream of its metric and tenant.
func (b *batch) overflow(e *engine, t *table, p *point, isLate bool) bool {
	kept := keyOf(b.attributes, onlyTenant).Plus(b.tenantKey)
	k := keyOfText("overflow", "").In(kept.In(b.metricKey))
	sh := t.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slot, ok := sh.index.find(k)
	if !ok {
		if e.folded.Add(1) > maxOverflowStreams {
			e.folded.Add(-1)
			return false
		}
		attributes := pcommon.NewMap()
		attributes.PutBool(OverflowAttribute, true)
		attributes.PutStr(PartitionAttribute, b.s.label)
		ident := b.s.idents.acquire(b.identity(onlyTenant, false))
		slot, ok = b.slotOf(sh, k, window.Align(p.at, e.base), attributes, nil, ident, true)
		b.s.idents.release(ident)
		if !ok {
			e.folded.Add(-1)
			return false
		}
	}
	b.put(e, t, sh, slot, p, isLate)
	b.out.Folded++
	return true
}

func onlyTenant(name string) bool { return name == tenant.Attribute }

// newSlot creates the output stream of the current point. ok is false if the shard, whose lock is held, has no room for its text.
func (b *batch) newSlot(e *engine, sh *shard, k streamkey.Key, at int64, attributes pcommon.Map) (place uint32, ok bool) {
	kept := b.keptOf(e)
	if !kept.named {
		kept.ident, kept.named = b.s.idents.acquire(b.identity(e.group.keepsOfResource, e.group.by == nil)), true
	}
	keeps := e.group.keeps
	if e.group.all() {
		keeps = nil
	}
	return b.slotOf(sh, k, window.Align(at, e.base), attributes, keeps, kept.ident, false)
}

func (b *batch) slotOf(sh *shard, k streamkey.Key, start int64, attributes pcommon.Map, keeps func(string) bool, ident uint32, overflow bool) (place uint32, ok bool) {
	names, encoded := b.encoder.encode(attributes, keeps)
	b.packed = b.s.values.pack(b.packed[:0], encoded)
	ref, ok := sh.texts.put(b.packed)
	if !ok {
		b.s.values.drop(b.packed)
		return 0, false
	}
	return sh.newSlot(k, slot{lastSeen: start, born: start, descriptor: b.descriptorOf(names, ident, overflow), values: ref}), true
}

// descriptorOf returns the number of a stream's descriptor, and counts the stream. Mostly it is that of the previous stream.
func (b *batch) descriptorOf(names []byte, ident uint32, overflow bool) uint32 {
	last := &b.descriptor
	if last.known && last.of.ident == ident && last.of.overflow == overflow && string(last.names) == string(names) {
		b.s.descriptors.retain(last.id)
		return last.id
	}
	if !b.metricNamed {
		b.metricText = appendString(appendString(appendString(b.metricText[:0], b.m.Name()), b.m.Unit()), b.m.Description())
		b.metricID, b.metricNamed = b.s.metrics.acquire(b.metricText), true
	}
	f := descriptor{names: b.s.names.acquire(names), ident: ident, metric: b.metricID, overflow: overflow}
	id, fresh := b.s.descriptors.acquire(f)
	if fresh {
		b.s.idents.retain(ident)
		b.s.metrics.retain(b.metricID)
	} else {
		b.s.names.release(f.names) // the descriptor retains it
	}
	last.id, last.of, last.known, last.names = id, f, true, append(last.names[:0], names...)
	return id
}

// forgetDescriptor releases the current metric, and the descriptor of its last stream.
func (b *batch) forgetDescriptor() {
	b.descriptor.known = false
	if b.metricNamed {
		b.s.metrics.release(b.metricID)
		b.metricNamed = false
	}
}

// identity is the text of the kept part of tenant, resource and scope.
func (b *batch) identity(keepsOfResource func(string) bool, keepScope bool) []byte {
	ident := appendString(nil, b.tenant)
	rn, rv := b.encoder.encode(b.attributes, keepsOfResource)
	ident = appendString(appendString(ident, string(rn)), string(rv))
	if keepScope {
		ident = appendString(appendString(ident, b.scope.Name()), b.scope.Version())
		sn, sv := b.encoder.encode(b.scope.Attributes(), nil)
		ident = appendString(appendString(ident, string(sn)), string(sv))
	}
	return ident
}

// describe writes tenant, resource and scope of an identity, and returns the tenant.
func describe(ident string, rm pmetric.ResourceMetrics, scope pcommon.InstrumentationScope) (tenant string) {
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
