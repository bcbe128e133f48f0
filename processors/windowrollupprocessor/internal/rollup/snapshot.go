package rollup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// snapshotVersion is the first byte of a state. Restore also reads the version before it, which has no points that a sender may repeat.
const (
	snapshotVersion = 2
	formerVersion   = 1
)

// ErrState is wrapped by Restore's errors: not a state of this component, or damaged.
var ErrState = errors.New("rollup state")

// Snapshot writes all of s. It is large: about as much as the cells in memory, and the names once.
func (s *State) Snapshot(w io.Writer) error {
	e := &encoder{w: w}
	e.b = append(e.b, snapshotVersion)
	e.json(s.spec)
	e.varint(s.mark)
	e.varint(s.latest)
	e.varint(s.lastNewest)
	e.varint(s.sweptAt)
	e.b = s.water.Append(e.b)
	for _, n := range []*interner{s.names, s.idents, s.metrics} {
		e.uvarint(uint64(len(n.entries)))
		for _, x := range n.entries {
			e.text(x.text)
		}
	}
	s.runs.encode(e)
	e.uvarint(uint64(len(s.engines)))
	place := map[*engine]int{}
	for i, x := range s.engines {
		place[x] = i
		s.encodeEngine(e, x)
	}
	e.uvarint(uint64(len(s.outbox)))
	for _, c := range s.outbox {
		plan := c.e.tables[c.kind].plan
		for _, n := range []int{place[c.e], int(c.kind), c.shard, c.window} {
			e.uvarint(uint64(n))
		}
		e.varint(c.start)
		e.frame(plan, &c.frame)
		e.bool(c.totals != nil)
		if c.totals != nil {
			e.frame(plan, c.totals)
		}
	}
	e.b = s.repeats.Append(e.b)
	e.flush(0)
	return e.err
}

// Restore replaces s by the output of Snapshot, under the rules that are in it; see Adopt. After an error s is unusable.
func (s *State) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(b) == 0 || b[0] != formerVersion && b[0] != snapshotVersion {
		return fmt.Errorf("%w: version %v, this release reads %d and %d", ErrState, b[:min(len(b), 1)], formerVersion, snapshotVersion)
	}
	d := &decoder{b: b[1:]}
	var spec Spec
	d.json(&spec)
	if d.err != nil {
		return d.err
	}
	if !spec.sound() {
		return fmt.Errorf("%w: settings %+v", ErrState, spec.Settings)
	}
	s.reset(spec)
	s.mark, s.latest, s.lastNewest, s.sweptAt = d.varint(), d.varint(), d.varint(), d.varint()
	s.slowestBefore = s.lastNewest - int64(maxBehind) // unknown: the first check keeps everything that it may have to
	if d.err == nil {
		d.b, d.err = s.water.Decode(d.b)
	}
	for _, n := range []*interner{s.names, s.idents, s.metrics} {
		for range d.length() {
			n.entries = append(n.entries, internEntry{text: d.text()})
		}
	}
	s.runs.decode(d)
	for range d.length() {
		if e := s.decodeEngine(d); d.err == nil {
			s.engines = append(s.engines, e)
		}
	}
	for range d.length() {
		place, kind, shard, win := d.uvarint(), d.uvarint(), d.uvarint(), d.uvarint()
		if place >= uint64(len(s.engines)) || kind >= uint64(aggregate.Kinds) || shard >= shards ||
			win >= uint64(len(s.engines[place].rule.Windows)) {
			d.fail("outbox")
			break
		}
		c := closing{rule: int(place), e: s.engines[place], kind: aggregate.Kind(kind), shard: int(shard), window: int(win), start: d.time()}
		t := c.e.tables[c.kind]
		n := int(t.shards[shard].slots.n)
		c.frame = d.frame(t.plan, n)
		if d.bool() {
			totals := d.frame(t.plan, n)
			c.totals = &totals
		}
		s.outbox = append(s.outbox, c)
	}
	if d.err == nil && b[0] != formerVersion {
		d.b, d.err = s.repeats.Decode(d.b)
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail("end")
	}
	for _, n := range []*interner{s.names, s.idents, s.metrics} {
		n.collect()
	}
	return d.err
}

// Adopt switches to the configured rules. An unchanged rule continues; a changed one makes the windows that start after the latest event
// time, and the old one those before.
func (s *State) Adopt() {
	cut := s.latest
	var wanted []*engine
	old := s.engines
	s.engines = nil
	for _, r := range s.configured.Rules {
		e := newEngine(r, s.configured.Settings, cut)
		for i, o := range old {
			if o != nil && o.until == forever && o.identity() == e.identity() {
				e, old[i] = o, nil
				break
			}
		}
		wanted = append(wanted, e)
	}
	for _, o := range old {
		if o == nil {
			continue
		}
		if cut == window.Never {
			continue // it has no data
		}
		o.until, o.takesAll = min(o.until, cut), false
		s.engines = append(s.engines, o)
	}
	s.engines = append(s.engines, wanted...)
	for i := range s.outbox {
		for j, e := range s.engines {
			if s.outbox[i].e == e {
				s.outbox[i].rule = j
			}
		}
	}
	if set := s.configured.Settings; set.IdleTimeout != s.spec.IdleTimeout || set.MaxSources != s.spec.MaxSources {
		water := window.NewWatermark(set.IdleTimeout, set.MaxSources)
		if _, err := water.Decode(s.water.Append(nil)); err == nil {
			s.water = water
		}
	}
	s.spec = s.configured
	clear(s.cache)
}

// identity is equal for two engines with the same behaviour.
func (e *engine) identity() string {
	b, err := json.Marshal(struct {
		Rule        Rule
		Temporality Temporality
		CorrectFor  int64
	}{e.rule, e.temporality, e.correctFor})
	if err != nil { // nothing in it can fail
		panic(err)
	}
	return string(b)
}

func (s *State) encodeEngine(w *encoder, e *engine) {
	w.json(e.rule)
	w.text(string(e.temporality))
	w.varint(e.correctFor)
	w.varint(e.from)
	w.varint(e.until)
	for _, t := range e.tables {
		for i := range t.shards {
			s.encodeShard(w, t.plan, &t.shards[i])
		}
	}
}

func (s *State) decodeEngine(d *decoder) *engine {
	var r Rule
	d.json(&r)
	set := Settings{Temporality: Temporality(d.text()), OnLate: Correct, CorrectFor: time.Duration(d.varint())}
	from, until := d.varint(), d.varint()
	if d.err == nil {
		d.err = r.Validate()
	}
	if d.err != nil {
		return nil
	}
	e := newEngine(r, set, from)
	e.until, e.takesAll = until, e.takesAll && until == forever
	for _, t := range e.tables {
		for i := range t.shards {
			s.decodeShard(d, e, t, &t.shards[i])
		}
	}
	return e
}

func (s *State) encodeShard(w *encoder, p *aggregate.Plan, sh *shard) {
	var unpacked []byte
	w.uvarint(uint64(sh.slots.n))
	for i := range sh.slots.n {
		x := sh.slots.at(i)
		w.bool(x.descriptor != freeSlot)
		if x.descriptor == freeSlot {
			continue
		}
		unpacked = s.values.unpack(unpacked[:0], textAt(sh.texts.chunks, x.values))
		w.bytes(unpacked)
		w.b = sh.index.keys.at(i).Append(w.b)
		w.varint(x.lastSeen)
		w.varint(x.born)
		f := s.descriptors.of(x.descriptor)
		for _, id := range []uint32{f.names, f.ident, f.metric} {
			w.uvarint(uint64(id))
		}
		w.bool(f.overflow)
	}
	w.uvarint(uint64(len(sh.free)))
	for _, i := range sh.free {
		w.uvarint(uint64(i))
	}
	w.panes(p, sh.panes)
	for _, c := range sh.windows {
		w.panes(p, c.open)
		w.varint(c.next)
		w.frame(p, &c.totals)
		if c.kept == nil {
			continue
		}
		w.uvarint(uint64(c.kept.Len()))
		for start, k := range c.kept.All() {
			w.varint(start)
			w.frame(p, &k.frame)
			w.uvarint(uint64(len(k.dirty)))
			for slot := range k.dirty {
				w.uvarint(uint64(slot))
			}
		}
	}
}

func (s *State) decodeShard(d *decoder, e *engine, t *table, sh *shard) {
	for range d.length() {
		place := sh.slots.grow()
		if x := sh.slots.at(place); d.bool() {
			s.decodeSlot(d, e, sh, place)
		} else {
			x.descriptor = freeSlot
			sh.index.skip()
		}
		if d.err != nil {
			return
		}
	}
	n := int(sh.slots.n)
	for range d.length() {
		i := d.uvarint()
		if i >= uint64(n) {
			d.fail("free slot")
			return
		}
		sh.free = append(sh.free, uint32(i))
	}
	d.panes(t.plan, n, sh.panes)
	for _, c := range sh.windows {
		d.panes(t.plan, n, c.open)
		c.next = d.varint()
		c.totals = d.frame(t.plan, n)
		if c.kept == nil {
			continue
		}
		for range d.length() {
			k, _ := c.kept.At(d.time())
			k.frame = d.frame(t.plan, n)
			for range d.length() {
				if k.dirty == nil {
					k.dirty = map[uint32]struct{}{}
					s.dirty.Store(true)
				}
				k.dirty[uint32(d.uvarint())] = struct{}{}
			}
		}
	}
}

func (s *State) decodeSlot(d *decoder, e *engine, sh *shard, place uint32) {
	x := sh.slots.at(place)
	packed := s.values.pack(nil, d.bytes())
	ref, ok := sh.texts.put(packed)
	k := d.key()
	x.values, x.lastSeen, x.born = ref, d.varint(), d.varint()
	f := descriptor{names: s.names.restored(d), ident: s.idents.restored(d), metric: s.metrics.restored(d), overflow: d.bool()}
	if !ok {
		d.fail("the attributes of a stream")
	}
	if d.err != nil {
		return
	}
	var fresh bool
	if x.descriptor, fresh = s.descriptors.acquire(f); fresh {
		s.names.retain(f.names)
		s.idents.retain(f.ident)
		s.metrics.retain(f.metric)
	}
	sh.index.put(k, place)
	if f.overflow {
		e.folded.Add(1)
	} else {
		e.streams.Add(1)
		s.streams.Add(1)
	}
}

// restored reads a number that must be in use.
func (n *interner) restored(d *decoder) uint32 {
	id := d.uvarint()
	if id >= uint64(len(n.entries)) {
		d.fail("name")
		return 0
	}
	return uint32(id)
}

// collect registers the numbers in use, and frees the others, after all users were restored.
func (n *interner) collect() {
	for i, x := range n.entries {
		if x.refs == 0 {
			n.free = append(n.free, uint32(i))
			continue
		}
		n.ids[x.text] = uint32(i)
	}
}
