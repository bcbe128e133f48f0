package rollup

import (
	"fmt"
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// WindowAttribute has the length of the window.
const WindowAttribute = "rollup.window"

// Outbox returns the number of windows in the outbox, per rule, window, type and shard.
func (s *State) Outbox() int { return len(s.outbox) }

// OutboxPoints returns approximately how many points Render will send.
func (s *State) OutboxPoints() (n int) {
	for _, c := range s.outbox {
		plan := c.e.tables[c.kind].plan
		for range c.frame.cells(plan) {
			n += len(plan.Outputs)
		}
	}
	return n
}

// Signature is an attribute of every output point. The zero value is none.
type Signature struct{ Name, Value string }

// Render passes the outbox to send in pieces of about maxPoints, in time order, one tenant at a time; tenant is the one that Add got. Then
// it empties the outbox. If send fails the outbox stays unchanged, and the next call continues with the failed piece. The signature
// replaces an attribute of the same name.
func (s *State) Render(maxPoints int, sign Signature, send func(tenant string, md pmetric.Metrics) error) error {
	r := renderer{s: s, maxPoints: maxPoints, sign: sign, send: send}
	for _, c := range s.outbox {
		if err := r.closing(c); err != nil {
			return err
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	s.outbox, s.sent = nil, 0
	return nil
}

type renderer struct {
	s         *State
	maxPoints int
	sign      Signature
	send      func(string, pmetric.Metrics) error

	pieces  int // finished in this call
	points  int // in tenants
	tenants []*tenantMetrics

	// State of the current closing.
	c       closing
	outputs []aggregate.Output
	label   string
	texts   [][]byte          // of the shard
	shared  []internEntry     // of State.values
	shape   *shape            // of the previous stream
	shapes  map[uint32]*shape // by descriptor
}

// tenantMetrics is the output collected for one tenant.
type tenantMetrics struct {
	tenant  string
	md      pmetric.Metrics
	scopes  map[uint32]pmetric.ScopeMetrics // by ident
	metrics map[outputMetric]pmetric.Metric
}

// outputMetric identifies an output metric within a tenant's.
type outputMetric struct {
	ident, metric uint32
	kind          aggregate.Kind
	name          string
}

// shape is the common part of a descriptor's streams in one window.
type shape struct {
	id         uint32
	descriptor descriptor
	attributes pcommon.Map      // in order: the streams' own without values, then the window's and the signature
	own        int              // number of the streams' own
	metrics    []pmetric.Metric // of the outputs; zero until there is one
}

func (r *renderer) closing(c closing) error {
	sh := &c.e.tables[c.kind].shards[c.shard]
	sh.mu.Lock()
	slots := sh.slots // those in the outbox stay unchanged; new ones are appended, or use free positions
	r.texts = sh.texts.chunks
	sh.mu.Unlock()
	r.s.values.mu.RLock()
	r.shared = r.s.values.entries // those in use stay unchanged
	r.s.values.mu.RUnlock()
	plan := c.e.tables[c.kind].plan
	r.c, r.outputs, r.label = c, outputsOf(c), FormatWindow(c.spec().Size)
	r.shape, r.shapes = nil, map[uint32]*shape{}
	for slot, cell := range c.frame.cells(plan) {
		if r.points >= r.maxPoints {
			if err := r.flush(); err != nil {
				return err
			}
		}
		total := cell
		if c.totals != nil {
			total = c.totals.cell(plan, slot)
		}
		r.cell(slots.at(slot), cell, total)
	}
	return nil
}

// flush sends the collected output.
func (r *renderer) flush() error {
	for _, t := range r.tenants {
		r.pieces++
		if r.pieces <= r.s.sent {
			continue
		}
		if err := r.send(t.tenant, t.md); err != nil {
			return err
		}
		r.s.sent++
	}
	r.tenants, r.points = nil, 0
	for _, sp := range r.shapes {
		clear(sp.metrics)
	}
	return nil
}

// cell writes all outputs of one stream in one window. Of x it reads only what never changes while the slot is in use, because batches run
// concurrently.
func (r *renderer) cell(x *slot, cell, total aggregate.Cell) {
	c, size := &r.c, r.c.spec().Size
	if cell.Sketch != nil && cell.Sketch.Coarse() {
		r.s.blurred++
	}
	sp := r.shapeOf(x)
	var first pcommon.Map // of the stream's points: the others have the same attributes
	for i, out := range r.outputs {
		from, source := c.start, cell
		if out.Form.Additive() && c.totals != nil {
			from, source = x.born, total
		}
		var v float64
		if out.Value != nil {
			if v = out.Value(source, size); math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
		} else if source.Count() == 0 {
			continue
		}
		m := r.metric(sp, i)
		var attributes pcommon.Map
		if out.Form == aggregate.Distribution {
			attributes = distribution(m, source, r.s.spec.MaxBuckets, from, c.end())
		} else {
			attributes = number(m, out, v, from, c.end())
		}
		if first == (pcommon.Map{}) {
			sp.attributes.CopyTo(attributes)
			r.setValues(sp, attributes, string(textAt(r.texts, x.values)))
			first = attributes
		} else {
			first.CopyTo(attributes)
		}
		r.points++
	}
}

// shapeOf returns the shape of a stream.
func (r *renderer) shapeOf(x *slot) *shape {
	if r.shape != nil && r.shape.id == x.descriptor {
		return r.shape
	}
	sp, ok := r.shapes[x.descriptor]
	if !ok {
		sp = &shape{id: x.descriptor, descriptor: r.s.descriptors.of(x.descriptor), attributes: pcommon.NewMap(), metrics: make([]pmetric.Metric, len(r.outputs))}
		sp.attributes.EnsureCapacity(16)
		for names := r.s.names.text(sp.descriptor.names); names != ""; {
			name, rest, ok := cutString(names)
			if !ok {
				break
			}
			names = rest
			sp.attributes.PutEmpty(name)
		}
		sp.own = sp.attributes.Len()
		sp.attributes.PutStr(WindowAttribute, r.label)
		if r.sign.Name != "" {
			sp.attributes.PutStr(r.sign.Name, r.sign.Value)
		}
		r.shapes[x.descriptor] = sp
	}
	r.shape = sp
	return sp
}

// setValues gives attributes, which were made like the shape's, a stream's values, which share the memory of packed.
func (r *renderer) setValues(sp *shape, attributes pcommon.Map, packed string) {
	own := sp.own
	for name, v := range attributes.All() {
		if own--; own < 0 || packed == "" {
			return
		}
		if name == WindowAttribute || r.sign.Name != "" && name == r.sign.Name { // the stream has it: the window's attribute, or the signature, replaces it
			v = pcommon.NewValueEmpty()
		}
		if id, shared, size := cutShared(packed); shared {
			v.SetStr(r.shared[id].text)
			packed = packed[size:]
		} else {
			packed = setValue(v, packed[0]>>1, packed[1:])
		}
	}
}

// outputsOf returns the outputs of c's aggregates.
func outputsOf(c closing) []aggregate.Output {
	outputs := c.e.tables[c.kind].plan.Outputs
	if c.e.temporality != PerWindow {
		return outputs
	}
	outputs = slices.Clone(outputs)
	for i, out := range outputs {
		if out.Form != aggregate.Distribution {
			outputs[i] = perWindow(out)
		}
	}
	return outputs
}

// perWindow returns out as a gauge. A count with unit 1 then has no unit: 1 is for ratios.
func perWindow(out aggregate.Output) aggregate.Output {
	if !out.Form.Additive() {
		return out
	}
	unit := out.Unit
	out.Form = aggregate.Level
	out.Unit = func(of string) string {
		if u := unit(of); u != "1" {
			return u
		}
		return ""
	}
	return out
}

func number(m pmetric.Metric, out aggregate.Output, v float64, start, end int64) pcommon.Map {
	var dp pmetric.NumberDataPoint
	if out.Form.Additive() {
		dp = m.Sum().DataPoints().AppendEmpty()
	} else {
		dp = m.Gauge().DataPoints().AppendEmpty()
	}
	dp.SetStartTimestamp(pcommon.Timestamp(start))
	dp.SetTimestamp(pcommon.Timestamp(end))
	if out.Whole {
		dp.SetIntValue(int64(v))
	} else {
		dp.SetDoubleValue(v)
	}
	return dp.Attributes()
}

func distribution(m pmetric.Metric, c aggregate.Cell, maxBuckets int, start, end int64) pcommon.Map {
	if m.Type() == pmetric.MetricTypeHistogram {
		dp := m.Histogram().DataPoints().AppendEmpty()
		dp.SetStartTimestamp(pcommon.Timestamp(start))
		dp.SetTimestamp(pcommon.Timestamp(end))
		h := *c.Histogram
		h.Moments = c.Moments()
		h.CopyTo(dp)
		return dp.Attributes()
	}
	dp := m.ExponentialHistogram().DataPoints().AppendEmpty()
	dp.SetStartTimestamp(pcommon.Timestamp(start))
	dp.SetTimestamp(pcommon.Timestamp(end))
	e := c.Sketch.Exponential(maxBuckets)
	count := e.Count // the sketch's own count: its buckets saturate
	e.Moments = c.Moments()
	e.Count = count
	e.CopyTo(dp)
	return dp.Attributes()
}

func (r *renderer) tenant(ident string) *tenantMetrics {
	tenant, _, _ := cutString(ident)
	for _, t := range r.tenants {
		if t.tenant == tenant {
			return t
		}
	}
	t := &tenantMetrics{
		tenant: tenant, md: pmetric.NewMetrics(),
		scopes: map[uint32]pmetric.ScopeMetrics{}, metrics: map[outputMetric]pmetric.Metric{},
	}
	r.tenants = append(r.tenants, t)
	return t
}

// metric returns the metric of output i of a shape.
func (r *renderer) metric(sp *shape, i int) pmetric.Metric {
	if sp.metrics[i] != (pmetric.Metric{}) {
		return sp.metrics[i]
	}
	f, k, out := sp.descriptor, r.c.kind, r.outputs[i]
	ident := r.s.idents.text(f.ident)
	t := r.tenant(ident)
	id := outputMetric{f.ident, f.metric, k, out.Name}
	m, ok := t.metrics[id]
	if !ok {
		sm, ok := t.scopes[f.ident]
		if !ok {
			rm := t.md.ResourceMetrics().AppendEmpty()
			sm = rm.ScopeMetrics().AppendEmpty()
			describe(ident, rm, sm.Scope())
			t.scopes[f.ident] = sm
		}
		m = sm.Metrics().AppendEmpty()
		r.begin(m, r.s.metrics.text(f.metric), k, out)
		t.metrics[id] = m
	}
	sp.metrics[i] = m
	return m
}

// begin sets the name, unit and type of an output metric; text is that of the stream's metric.
func (r *renderer) begin(m pmetric.Metric, text string, k aggregate.Kind, out aggregate.Output) {
	name, rest, _ := cutString(text)
	unit, rest, _ := cutString(rest)
	description, _, _ := cutString(rest)
	m.SetName(name + "." + out.Name)
	m.SetUnit(out.Unit(unit))
	m.SetDescription(description)
	temporality := pmetric.AggregationTemporalityDelta
	if r.c.totals != nil {
		temporality = pmetric.AggregationTemporalityCumulative
	}
	switch {
	case out.Form == aggregate.Level:
		m.SetEmptyGauge()
	case out.Form == aggregate.Distribution && k == aggregate.Histogram:
		m.SetEmptyHistogram().SetAggregationTemporality(temporality)
	case out.Form == aggregate.Distribution:
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(temporality)
	default:
		sum := m.SetEmptySum()
		sum.SetIsMonotonic(out.Form == aggregate.Flow)
		sum.SetAggregationTemporality(temporality)
	}
}

// FormatWindow writes a duration in its largest whole unit: 90s, 1m, 1h, 1d.
func FormatWindow(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d%u.unit == 0 {
			return fmt.Sprintf("%d%s", d/u.unit, u.name)
		}
	}
	return d.String()
}
