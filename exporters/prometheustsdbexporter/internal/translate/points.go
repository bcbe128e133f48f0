package translate

import (
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// timed is a data point of any type.
type timed interface{ Timestamp() pcommon.Timestamp }

// points is a slice of data points of any type.
type points[P timed] interface {
	Len() int
	At(i int) P
	RemoveIf(f func(P) bool)
}

// inspection is what a look over a batch tells.
type inspection struct {
	clean    bool // nothing must be taken out
	points   int
	earliest pcommon.Timestamp
	latest   pcommon.Timestamp
}

func (in inspection) span() time.Duration {
	if in.latest <= in.earliest {
		return 0
	}
	return time.Duration(min(uint64(in.latest-in.earliest), math.MaxInt64))
}

// inspect looks whether md holds anything that the converter must not see: points at no time or far ahead (one such point
// beside a current one makes millions of target_info samples), metrics without points or temporality, delta points
// unless delta.
func inspect(md pmetric.Metrics, latest time.Time, delta bool) inspection {
	in := inspection{clean: true, earliest: math.MaxUint64}
	limit := pcommon.NewTimestampFromTime(latest)
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if _, ok := unsupported(m, delta); ok {
					in.clean = false
					continue
				}
				switch m.Type() {
				case pmetric.MetricTypeGauge:
					look(&in, m.Gauge().DataPoints(), limit)
				case pmetric.MetricTypeSum:
					look(&in, m.Sum().DataPoints(), limit)
				case pmetric.MetricTypeHistogram:
					look(&in, m.Histogram().DataPoints(), limit)
				case pmetric.MetricTypeExponentialHistogram:
					look(&in, m.ExponentialHistogram().DataPoints(), limit)
				case pmetric.MetricTypeSummary:
					look(&in, m.Summary().DataPoints(), limit)
				}
			}
		}
	}
	return in
}

func look[P timed](in *inspection, ps points[P], limit pcommon.Timestamp) {
	n := ps.Len()
	if n == 0 {
		in.clean = false
	}
	in.points += n
	for i := range n {
		t := ps.At(i).Timestamp()
		if t == 0 || t > limit {
			in.clean = false
			continue
		}
		in.earliest, in.latest = min(in.earliest, t), max(in.latest, t)
	}
}

// unsupported reports whether none of m's points can be sent, and why. delta: delta points can.
func unsupported(m pmetric.Metric, delta bool) (Reason, bool) {
	var t pmetric.AggregationTemporality
	switch m.Type() {
	case pmetric.MetricTypeSum:
		t = m.Sum().AggregationTemporality()
	case pmetric.MetricTypeHistogram:
		t = m.Histogram().AggregationTemporality()
	case pmetric.MetricTypeExponentialHistogram:
		t = m.ExponentialHistogram().AggregationTemporality()
	case pmetric.MetricTypeGauge, pmetric.MetricTypeSummary:
		return 0, false
	default: // a metric without data has no points either
		return Untranslatable, true
	}
	switch t {
	case pmetric.AggregationTemporalityCumulative:
		return 0, false
	case pmetric.AggregationTemporalityDelta:
		return DeltaTemporality, !delta
	default:
		return NoTemporality, true
	}
}

// cleaned is a copy of md without what inspect objects to; refused counts the points that are missing in it.
func cleaned(md pmetric.Metrics, latest time.Time, delta bool, refused *[NumReasons]int) pmetric.Metrics {
	c := pmetric.NewMetrics()
	md.CopyTo(c)
	limit := pcommon.NewTimestampFromTime(latest)
	for _, rm := range c.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool {
				if r, ok := unsupported(m, delta); ok {
					refused[r] += count(m)
					return true
				}
				switch m.Type() {
				case pmetric.MetricTypeGauge:
					clean(m.Gauge().DataPoints(), limit, refused)
				case pmetric.MetricTypeSum:
					clean(m.Sum().DataPoints(), limit, refused)
				case pmetric.MetricTypeHistogram:
					clean(m.Histogram().DataPoints(), limit, refused)
				case pmetric.MetricTypeExponentialHistogram:
					clean(m.ExponentialHistogram().DataPoints(), limit, refused)
				case pmetric.MetricTypeSummary:
					clean(m.Summary().DataPoints(), limit, refused)
				}
				return count(m) == 0
			})
		}
	}
	return c
}

func clean[P timed](ps points[P], limit pcommon.Timestamp, refused *[NumReasons]int) {
	ps.RemoveIf(func(p P) bool {
		switch t := p.Timestamp(); {
		case t == 0:
			refused[NoTime]++
			return true
		case t > limit:
			refused[Future]++
			return true
		}
		return false
	})
}

func count(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	}
	return 0
}

// eachAlone gives try every metric of md alone, and where that fails every point of the metric alone, and returns how many
// points failed.
func eachAlone(md pmetric.Metrics, try func(pmetric.Metrics) bool) (failed int) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				one := pmetric.NewMetrics()
				r := one.ResourceMetrics().AppendEmpty()
				rm.Resource().CopyTo(r.Resource())
				r.SetSchemaUrl(rm.SchemaUrl())
				s := r.ScopeMetrics().AppendEmpty()
				sm.Scope().CopyTo(s.Scope())
				s.SetSchemaUrl(sm.SchemaUrl())
				m.CopyTo(s.Metrics().AppendEmpty())
				if try(one) {
					continue
				}
				for i := range count(m) {
					copyPoint(m, s.Metrics().At(0), i)
					if !try(one) {
						failed++
					}
				}
			}
		}
	}
	return failed
}

// copyPoint makes to what from is, with point i alone.
func copyPoint(from, to pmetric.Metric, i int) {
	switch from.Type() {
	case pmetric.MetricTypeGauge:
		from.Gauge().DataPoints().At(i).CopyTo(to.SetEmptyGauge().DataPoints().AppendEmpty())
	case pmetric.MetricTypeSum:
		sum := to.SetEmptySum()
		sum.SetAggregationTemporality(from.Sum().AggregationTemporality())
		sum.SetIsMonotonic(from.Sum().IsMonotonic())
		from.Sum().DataPoints().At(i).CopyTo(sum.DataPoints().AppendEmpty())
	case pmetric.MetricTypeHistogram:
		h := to.SetEmptyHistogram()
		h.SetAggregationTemporality(from.Histogram().AggregationTemporality())
		from.Histogram().DataPoints().At(i).CopyTo(h.DataPoints().AppendEmpty())
	case pmetric.MetricTypeExponentialHistogram:
		h := to.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(from.ExponentialHistogram().AggregationTemporality())
		from.ExponentialHistogram().DataPoints().At(i).CopyTo(h.DataPoints().AppendEmpty())
	case pmetric.MetricTypeSummary:
		from.Summary().DataPoints().At(i).CopyTo(to.SetEmptySummary().DataPoints().AppendEmpty())
	}
}
