package rollup

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// add adds p to the panes of all matching engines. Some may have closed theirs, while another with longer panes counts it.
func (b *batch) add(p *point, attributes pcommon.Map) {
	rolled, missed := false, false
	for _, e := range b.wanted {
		isLate := e.late(p.at, b.s.mark)
		if isLate && !e.correctable(p.at, b.s.mark) {
			b.out.Why[Late]++
			missed = true
			continue
		}
		var k streamkey.Key
		if e.group.all() {
			k = b.inputStream(attributes)
		} else {
			k = e.group.keyOf(attributes).In(b.keptOf(e).key.In(b.metricKey))
		}
		if b.addTo(e, e.tables[p.kind], k, p, attributes, isLate) {
			rolled = true
		} else {
			b.out.Why[StreamLimit]++
		}
	}
	if missed {
		b.missed()
	}
	if rolled {
		b.out.Rolled++
	} else {
		b.out.Lost++
	}
}

func (b *batch) addTo(e *engine, t *table, k streamkey.Key, p *point, attributes pcommon.Map, isLate bool) bool {
	sh := t.shard(k)
	sh.mu.Lock()
	slot, ok := sh.index.find(k)
	if !ok {
		if ok = b.reserve(e); ok {
			if slot, ok = b.newSlot(e, sh, k, p.at, attributes); !ok {
				b.release(e)
			}
		}
	}
	if !ok {
		sh.mu.Unlock()
		return b.overflow(e, t, p, isLate)
	}
	b.put(e, t, sh, slot, p, isLate)
	sh.mu.Unlock()
	return true
}

func (b *batch) put(e *engine, t *table, sh *shard, slot uint32, p *point, isLate bool) {
	if isLate {
		e.correct(t, sh, slot, p, b.s.mark, b.set.MaxBuckets)
		b.s.dirty.Store(true)
		b.out.Corrected++
	} else if t.add(sh, slot, p, b.set.MaxBuckets) {
		b.out.Coarsened++
	}
}

// reserve reserves a place for one more stream, if there is one.
func (b *batch) reserve(e *engine) bool {
	if b.s.streams.Add(1) <= int64(b.set.MaxStreams) {
		if n := e.streams.Add(1); e.rule.MaxStreams == 0 || n <= int64(e.rule.MaxStreams) {
			return true
		}
		e.streams.Add(-1)
	}
	b.s.streams.Add(-1)
	return false
}

// release frees a place that reserve took.
func (b *batch) release(e *engine) {
	e.streams.Add(-1)
	b.s.streams.Add(-1)
}
