package rollup

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// chunkPoints is how many numbers of a metric go through the tables together: enough to wait for many cache lines at once, few enough for
// the nearest cache.
const chunkPoints = 128

// chunk holds points of one metric that match the same engines, on their way into the tables.
type chunk struct {
	kind       aggregate.Kind
	cumulative bool
	keyed      bool // the input stream is needed
	engines    []*engine
	points     []chunkPoint
	most       int // number of points

	// State of the current engine.
	of         []uint16 // positions in points of those that it takes
	keys       [chunkPoints]streamkey.Key
	candidates [chunkPoints]uint32
	strangers  []uint16 // of these, those that need more than a known stream's open pane
}

type chunkPoint struct {
	at            int64
	start, time   int64            // as the point tells them
	number        datapoint.Number // as the point tells it
	value, latest float64
	input         streamkey.Key // the input stream's; zero unless keyed
	attributes    pcommon.Map
	rolled        bool // counted in a pane
	missed        bool // was late for an engine
}

func newChunk() *chunk {
	return &chunk{points: make([]chunkPoint, 0, chunkPoints), of: make([]uint16, 0, chunkPoints), strangers: make([]uint16, 0, chunkPoints)}
}

// release returns c for reuse by another batch, cleared of this one's data.
func (s *State) release(c *chunk) {
	clear(c.points[:c.most])
	clear(c.engines[:cap(c.engines)])
	c.points, c.engines, c.most = c.points[:0], c.engines[:0], 0
	s.chunks.Put(c)
}

// numbers adds all points of a gauge or sum, and reports whether any are to be passed on.
func (b *batch) numbers(dps pmetric.NumberDataPointSlice, kind aggregate.Kind, cumulative bool) (left bool) {
	n := dps.Len()
	if b.chunk == nil {
		b.chunk, _ = b.s.chunks.Get().(*chunk)
		if b.chunk == nil {
			b.chunk = newChunk()
		}
	}
	c := b.chunk
	c.kind, c.cumulative, c.engines = kind, cumulative, c.engines[:0]
	b.raw = b.raw[:0]
	passed := 0
	for i := range n {
		raw := b.collect(c, dps.At(i))
		b.raw = append(b.raw, raw)
		if raw {
			passed++
		}
	}
	b.flush(c)
	if passed > 0 && passed < n {
		i := 0
		dps.RemoveIf(func(pmetric.NumberDataPoint) bool { i++; return !b.raw[i-1] })
	}
	return n == 0 || passed > 0 // without any the metric is removed as a whole
}

// collect adds a point to c, and reports whether it is to be passed on.
func (b *batch) collect(c *chunk, dp pmetric.NumberDataPoint) (raw bool) {
	attributes := dp.Attributes()
	at, raw, take := b.begin(c.kind, dp.Timestamp(), flagsOfNumber(dp), attributes)
	if !take {
		return raw
	}
	v := datapoint.FromNumber(dp)
	if !v.Finite() {
		b.out.lose(NotFinite)
		return raw
	}
	if c.kind == aggregate.Counter && !c.cumulative && v.Less(datapoint.Int(0)) { // a monotonic stream has no such increase
		b.out.lose(Malformed)
		return raw
	}
	if delta := c.kind == aggregate.Net || c.kind == aggregate.Counter && !c.cumulative; delta && again(b, dp, v) {
		return raw
	}
	if !slices.Equal(b.wanted, c.engines) {
		b.flush(c)
		c.engines = append(c.engines[:0], b.wanted...)
		c.keyed = c.cumulative || slices.ContainsFunc(c.engines, func(e *engine) bool { return e.group.all() })
	}
	c.points = append(c.points, chunkPoint{at: at, start: int64(dp.StartTimestamp()), time: int64(dp.Timestamp()), number: v,
		value: v.Float64(), latest: v.Float64(), attributes: attributes})
	if c.keyed {
		c.points[len(c.points)-1].input = b.inputStream(attributes)
	}
	if len(c.points) == chunkPoints {
		b.flush(c)
	}
	return raw
}

// flush adds the points of c to panes.
func (b *batch) flush(c *chunk) {
	if len(c.points) == 0 {
		return
	}
	c.most = max(c.most, len(c.points))
	if c.cumulative {
		b.increases(c)
	}
	for _, e := range c.engines {
		b.choose(e, c)
		b.known(e, c)
		b.unknown(e, c)
	}
	for i := range c.points {
		if x := &c.points[i]; x.rolled {
			b.out.Rolled++
		} else {
			b.out.Lost++
		}
		if c.points[i].missed {
			b.missed()
		}
	}
	c.points = c.points[:0]
}

// choose selects the points of c that e takes, and computes the keys of their streams.
func (b *batch) choose(e *engine, c *chunk) {
	c.of = c.of[:0]
	all := e.group.all()
	var in streamkey.Key
	if !all {
		in = b.keptOf(e).key.In(b.metricKey)
	}
	for i := range c.points {
		x := &c.points[i]
		if e.late(x.at, b.s.mark) && !e.correctable(x.at, b.s.mark) {
			b.out.Why[Late]++
			x.missed = true
			continue
		}
		k := x.input
		if !all {
			k = e.group.keyOf(x.attributes).In(in)
		}
		c.keys[len(c.of)] = k
		c.of = append(c.of, uint16(i))
	}
}

// known adds the points of streams that e knows to open panes; the others become strangers. All shards are locked for it, because the
// points of a chunk are in many of them.
func (b *batch) known(e *engine, c *chunk) {
	t := e.tables[c.kind]
	c.strangers = c.strangers[:0]
	for i := range t.shards {
		t.shards[i].mu.Lock()
	}
	for i := range c.of {
		c.candidates[i] = t.shard(c.keys[i]).index.candidate(c.keys[i])
	}
	for i := range c.of {
		if !t.shard(c.keys[i]).index.is(c.candidates[i], c.keys[i]) {
			c.candidates[i] = 0
		}
	}
	for i, j := range c.of {
		x := &c.points[j]
		if c.candidates[i] == 0 || e.late(x.at, b.s.mark) {
			c.strangers = append(c.strangers, uint16(i))
			continue
		}
		sh := t.shard(c.keys[i])
		f, _ := sh.panes.At(x.at)
		f.cell(t.plan, c.candidates[i]-1).Number(x.value, x.latest, x.at, b.set.MaxBuckets)
		x.rolled = true
	}
	for i := range t.shards {
		t.shards[i].mu.Unlock()
	}
}

// unknown adds the strangers, in the order in which they came: the first ones find room.
func (b *batch) unknown(e *engine, c *chunk) {
	t := e.tables[c.kind]
	for _, i := range c.strangers {
		x := &c.points[c.of[i]]
		p := point{kind: c.kind, at: x.at, value: x.value, latest: x.latest}
		if b.addTo(e, t, c.keys[i], &p, x.attributes, e.late(x.at, b.s.mark)) {
			x.rolled = true
		} else {
			b.out.Why[StreamLimit]++
		}
	}
}
