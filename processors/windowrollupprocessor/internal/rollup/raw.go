package rollup

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// Raw returns a copy of what of md is to be passed on whatever Add does: metrics that no rule wants, and those whose rule
// keeps the raw points. Where a sender may repeat a batch, this goes downstream before Add counts it: a batch that is
// refused there is not counted, and can be repeated.
func (s *State) Raw(md pmetric.Metrics, now time.Time) pmetric.Metrics {
	raw := pmetric.NewMetrics()
	b := batch{s: s, set: &s.spec.Settings}
	at := func(t pcommon.Timestamp) int64 {
		if s.spec.ProcessingTime {
			return now.UnixNano()
		}
		return int64(t)
	}
	for _, rm := range md.ResourceMetrics().All() {
		b.attributes = rm.Resource().Attributes()
		rawRM := raw.ResourceMetrics().AppendEmpty()
		for _, sm := range rm.ScopeMetrics().All() {
			rawSM := rawRM.ScopeMetrics().AppendEmpty()
			for _, m := range sm.Metrics().All() {
				b.candidates = s.lookUp(m).engines
				if b.keepsNothing() {
					continue
				}
				rawM := rawSM.Metrics().AppendEmpty()
				m.CopyTo(rawM)
				if len(b.candidates) > 0 && !b.keepRaw(rawM, at) {
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
	return raw
}

// keepsNothing says, without looking at points, that a rule takes all of them and no rule keeps them.
func (b *batch) keepsNothing() bool {
	takesAll := false
	for _, e := range b.candidates {
		if e.rule.KeepRaw {
			return false
		}
		takesAll = takesAll || e.takesAll
	}
	return takesAll
}

// keepRaw removes the points that are not kept, and says whether any are left.
func (b *batch) keepRaw(m pmetric.Metric, at func(pcommon.Timestamp) int64) bool {
	number := func(dps pmetric.NumberDataPointSlice, kind aggregate.Kind) bool {
		dps.RemoveIf(func(dp pmetric.NumberDataPoint) bool { return !b.want(kind, at(dp.Timestamp()), dp.Attributes()) })
		return dps.Len() > 0
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return number(m.Gauge().DataPoints(), aggregate.Gauge)
	case pmetric.MetricTypeSum:
		kind, _, ok := kindOfSum(m.Sum())
		if !ok {
			kind = aggregate.Counter
		}
		return number(m.Sum().DataPoints(), kind)
	case pmetric.MetricTypeHistogram:
		dps := m.Histogram().DataPoints()
		dps.RemoveIf(func(dp pmetric.HistogramDataPoint) bool {
			return !b.want(aggregate.Histogram, at(dp.Timestamp()), dp.Attributes())
		})
		return dps.Len() > 0
	case pmetric.MetricTypeExponentialHistogram:
		dps := m.ExponentialHistogram().DataPoints()
		dps.RemoveIf(func(dp pmetric.ExponentialHistogramDataPoint) bool {
			return !b.want(aggregate.Exponential, at(dp.Timestamp()), dp.Attributes())
		})
		return dps.Len() > 0
	case pmetric.MetricTypeSummary:
		dps := m.Summary().DataPoints()
		dps.RemoveIf(func(dp pmetric.SummaryDataPoint) bool {
			return !b.want(aggregate.Summary, at(dp.Timestamp()), dp.Attributes())
		})
		return dps.Len() > 0
	default:
		return true
	}
}
