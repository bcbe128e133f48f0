package rollup

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// Passed is what Add has to know of an earlier call of Raw.
type Passed struct {
	mark int64 // points that were late at that time have been routed
}

// Raw returns a copy of the part of md that is passed on whatever Add does: metrics that match no rule, those whose rule keeps the raw
// points, and late points that are routed. If a sender may repeat a batch, this is sent before Add counts it: a refused batch is then not
// counted, and can be repeated.
func (s *State) Raw(md pmetric.Metrics, now time.Time) (pmetric.Metrics, *Passed) {
	raw := pmetric.NewMetrics()
	b := s.newBatch(now)
	for _, rm := range md.ResourceMetrics().All() {
		b.attributes = rm.Resource().Attributes()
		rawRM := raw.ResourceMetrics().AppendEmpty()
		for _, sm := range rm.ScopeMetrics().All() {
			rawSM := rawRM.ScopeMetrics().AppendEmpty()
			for _, m := range sm.Metrics().All() {
				b.candidates = s.lookUp(m).engines
				if b.keepsNothing(kindOf(m)) {
					continue
				}
				rawM := rawSM.Metrics().AppendEmpty()
				m.CopyTo(rawM)
				if len(b.candidates) > 0 && !b.keepRaw(rawM) {
					rawSM.Metrics().RemoveIf(func(m pmetric.Metric) bool { return m == rawM })
				}
			}
			sm.Scope().CopyTo(rawSM.Scope())
			rawSM.SetSchemaUrl(sm.SchemaUrl())
		}
		rawRM.ScopeMetrics().RemoveIf(func(sm pmetric.ScopeMetrics) bool { return sm.Metrics().Len() == 0 })
		rm.Resource().CopyTo(rawRM.Resource())
		rawRM.SetSchemaUrl(rm.SchemaUrl())
	}
	raw.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool { return rm.ScopeMetrics().Len() == 0 })
	return raw, &Passed{mark: s.mark}
}

// keepsNothing reports, without looking at points, that rules take all of them and none keeps them.
func (b *batch) keepsNothing(kind aggregate.Kind) bool {
	if b.set.OnLate == Route {
		return false
	}
	takesAll := false
	for _, e := range b.candidates {
		if e.rule.KeepRaw {
			return false
		}
		takesAll = takesAll || e.takesAll && len(e.tables[kind].plan.Outputs) > 0
	}
	return takesAll
}

// keepRaw removes the points that are not kept, and reports whether any are left.
func (b *batch) keepRaw(m pmetric.Metric) bool {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return keepPoints(b, m.Gauge().DataPoints(), aggregate.Gauge)
	case pmetric.MetricTypeSum:
		return keepPoints(b, m.Sum().DataPoints(), kindOf(m))
	case pmetric.MetricTypeHistogram:
		return keepPoints(b, m.Histogram().DataPoints(), aggregate.Histogram)
	case pmetric.MetricTypeExponentialHistogram:
		return keepPoints(b, m.ExponentialHistogram().DataPoints(), aggregate.Exponential)
	case pmetric.MetricTypeSummary:
		return keepPoints(b, m.Summary().DataPoints(), aggregate.Summary)
	default:
		return true
	}
}

// kindOf returns the kind of m's points. A metric without a type has none.
func kindOf(m pmetric.Metric) aggregate.Kind {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		if kind, _, ok := kindOfSum(m.Sum()); ok {
			return kind
		}
		return aggregate.Counter
	case pmetric.MetricTypeHistogram:
		return aggregate.Histogram
	case pmetric.MetricTypeExponentialHistogram:
		return aggregate.Exponential
	case pmetric.MetricTypeSummary:
		return aggregate.Summary
	default:
		return aggregate.Gauge
	}
}

type dataPoint interface {
	Timestamp() pcommon.Timestamp
	Flags() pmetric.DataPointFlags
	Attributes() pcommon.Map
}

func keepPoints[P dataPoint](b *batch, points interface {
	RemoveIf(func(P) bool)
	Len() int
}, kind aggregate.Kind) bool {
	points.RemoveIf(func(p P) bool {
		at := b.eventTime(p.Timestamp())
		return !b.want(kind, at, p.Attributes()) && !b.routes(at, flagsOf(p), p.Attributes())
	})
	return points.Len() > 0
}

// routes reports whether a point that is not kept is passed on as a late one, and marks it.
func (b *batch) routes(at int64, flags pmetric.DataPointFlags, attributes pcommon.Map) bool {
	if b.set.OnLate != Route {
		return false
	}
	if _, bad := b.refusal(at, flags); bad || !b.allLate(at, b.s.mark) {
		return false
	}
	attributes.PutBool(LateAttribute, true)
	return true
}
