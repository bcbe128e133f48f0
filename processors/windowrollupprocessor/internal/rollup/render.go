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

// WindowAttribute carries the length of the window.
const WindowAttribute = "rollup.window"

// Outbox returns the number of windows in the outbox, per rule, window, type and shard.
func (s *State) Outbox() int { return len(s.outbox) }

// OutboxPoints returns about how many points Render will send.
func (s *State) OutboxPoints() (n int) {
	for _, c := range s.outbox {
		plan := c.e.tables[c.kind].plan
		for range c.frame.cells(plan) {
			n += len(plan.Outputs)
		}
	}
	return n
}

// Render hands the outbox to send in pieces of about maxPoints, in time order, a tenant at a time; tenant is
// what Add was given. Then it forgets the outbox. If send fails the outbox stays as it is, and
// the next call goes on with the piece that failed.
func (s *State) Render(maxPoints int, send func(tenant string, md pmetric.Metrics) error) error {
	r := renderer{s: s, maxPoints: maxPoints, send: send}
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
	send      func(string, pmetric.Metrics) error

	pieces  int // finished in this call
	points  int // in tenants
	tenants []*tenantMetrics
}

// tenantMetrics is what is collected for one tenant.
type tenantMetrics struct {
	tenant  string
	md      pmetric.Metrics
	scopes  map[uint32]pmetric.ScopeMetrics // by ident
	metrics map[outputMetric]pmetric.Metric
}

// outputMetric identifies a metric of the output within a tenant's.
type outputMetric struct {
	ident, metric uint32
	kind          aggregate.Kind
	name          string
}

func (r *renderer) closing(c closing) error {
	sh := &c.e.tables[c.kind].shards[c.shard]
	sh.mu.Lock()
	slots := sh.slots // those in the outbox stay as they are; new ones go behind, or into free places
	sh.mu.Unlock()
	plan := c.e.tables[c.kind].plan
	outputs, label := outputsOf(c), FormatWindow(c.spec().Size)
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
		r.cell(c, &slots[slot], outputs, label, cell, total)
	}
	return nil
}

// flush sends what is collected.
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
	return nil
}

// cell writes all outputs of one stream in one window. Of x it reads only what never changes while the slot is in use:
// batches are at work beside it.
func (r *renderer) cell(c closing, x *slot, outputs []aggregate.Output, label string, cell, total aggregate.Cell) {
	t := r.tenant(x)
	size := c.spec().Size
	if cell.Sketch != nil && cell.Sketch.Coarse() {
		r.s.blurred++
	}
	var first pcommon.Map // of the stream's points: the others have the same attributes
	for _, out := range outputs {
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
		m := t.metric(r.s, x, c.kind, out, c.totals != nil)
		var attributes pcommon.Map
		if out.Form == aggregate.Distribution {
			attributes = distribution(m, source, r.s.spec.MaxBuckets, from, c.end())
		} else {
			attributes = number(m, out, v, from, c.end())
		}
		if first == (pcommon.Map{}) {
			decodeAttributes(r.s.names.text(x.names), x.values, attributes)
			attributes.PutStr(WindowAttribute, label)
			first = attributes
		} else {
			first.CopyTo(attributes)
		}
		r.points++
	}
}

// outputsOf returns how the aggregates of c are written.
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

// perWindow returns out as a gauge. There a count of what has the unit 1 has none: 1 is for ratios.
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
	count := e.Count // the sketch's own: its buckets saturate
	e.Moments = c.Moments()
	e.Count = count
	e.CopyTo(dp)
	return dp.Attributes()
}

func (r *renderer) tenant(x *slot) *tenantMetrics {
	tenant, _, _ := cutString(r.s.idents.text(x.ident))
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

func (t *tenantMetrics) metric(s *State, x *slot, k aggregate.Kind, out aggregate.Output, cumulative bool) pmetric.Metric {
	id := outputMetric{x.ident, x.metric, k, out.Name}
	if m, ok := t.metrics[id]; ok {
		return m
	}
	sm, ok := t.scopes[x.ident]
	if !ok {
		rm := t.md.ResourceMetrics().AppendEmpty()
		sm = rm.ScopeMetrics().AppendEmpty()
		s.describe(x, rm, sm.Scope())
		t.scopes[x.ident] = sm
	}
	name, rest, _ := cutString(s.metrics.text(x.metric))
	unit, rest, _ := cutString(rest)
	description, _, _ := cutString(rest)

	m := sm.Metrics().AppendEmpty()
	m.SetName(name + "." + out.Name)
	m.SetUnit(out.Unit(unit))
	m.SetDescription(description)
	temporality := pmetric.AggregationTemporalityDelta
	if cumulative {
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
	t.metrics[id] = m
	return m
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
