package sampler

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
)

type metrics struct{ pmetric.Metrics }

func (b metrics) resources() int { return b.ResourceMetrics().Len() }

func (b metrics) of(i int) (r pcommon.Resource, n int) {
	rm := b.ResourceMetrics().At(i)
	for _, sm := range rm.ScopeMetrics().All() {
		for _, m := range sm.Metrics().All() {
			n += datapoint.Count(m)
		}
	}
	return rm.Resource(), n
}

func (b metrics) take(resource, k int) one {
	rm := b.ResourceMetrics().At(resource)
	for _, sm := range rm.ScopeMetrics().All() {
		for _, m := range sm.Metrics().All() {
			if n := datapoint.Count(m); k >= n {
				k -= n
				continue
			}
			head := len(m.Name()) + len(m.Unit()) + len(m.Description()) + sizeOf(m.Metadata()) + sizeOf(rm.Resource().Attributes()) + sizeOf(sm.Scope().Attributes())
			if head+pointSize(m, k) > maxCopied {
				return nil
			}
			out := pmetric.NewMetrics()
			to := out.ResourceMetrics().AppendEmpty()
			rm.Resource().CopyTo(to.Resource())
			to.SetSchemaUrl(rm.SchemaUrl())
			scope := to.ScopeMetrics().AppendEmpty()
			sm.Scope().CopyTo(scope.Scope())
			copyPoint(m, k, scope.Metrics().AppendEmpty())
			return dataPoint{out}
		}
	}
	return nil
}

func pointSize(m pmetric.Metric, k int) int {
	var marshal pmetric.ProtoMarshaler
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return marshal.NumberDataPointSize(m.Gauge().DataPoints().At(k))
	case pmetric.MetricTypeSum:
		return marshal.NumberDataPointSize(m.Sum().DataPoints().At(k))
	case pmetric.MetricTypeHistogram:
		return marshal.HistogramDataPointSize(m.Histogram().DataPoints().At(k))
	case pmetric.MetricTypeExponentialHistogram:
		return marshal.ExponentialHistogramDataPointSize(m.ExponentialHistogram().DataPoints().At(k))
	case pmetric.MetricTypeSummary:
		return marshal.SummaryDataPointSize(m.Summary().DataPoints().At(k))
	}
	return 0
}

// copyPoint makes to a metric like m with one of its points.
func copyPoint(m pmetric.Metric, k int, to pmetric.Metric) {
	to.SetName(m.Name())
	to.SetUnit(m.Unit())
	to.SetDescription(m.Description())
	m.Metadata().CopyTo(to.Metadata())
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		m.Gauge().DataPoints().At(k).CopyTo(to.SetEmptyGauge().DataPoints().AppendEmpty())
	case pmetric.MetricTypeSum:
		sum := to.SetEmptySum()
		sum.SetIsMonotonic(m.Sum().IsMonotonic())
		sum.SetAggregationTemporality(m.Sum().AggregationTemporality())
		m.Sum().DataPoints().At(k).CopyTo(sum.DataPoints().AppendEmpty())
	case pmetric.MetricTypeHistogram:
		h := to.SetEmptyHistogram()
		h.SetAggregationTemporality(m.Histogram().AggregationTemporality())
		m.Histogram().DataPoints().At(k).CopyTo(h.DataPoints().AppendEmpty())
	case pmetric.MetricTypeExponentialHistogram:
		h := to.SetEmptyExponentialHistogram()
		h.SetAggregationTemporality(m.ExponentialHistogram().AggregationTemporality())
		m.ExponentialHistogram().DataPoints().At(k).CopyTo(h.DataPoints().AppendEmpty())
	case pmetric.MetricTypeSummary:
		m.Summary().DataPoints().At(k).CopyTo(to.SetEmptySummary().DataPoints().AppendEmpty())
	}
}

type dataPoint struct{ pmetric.Metrics }

func (o dataPoint) scrub(ctx context.Context, with Scrubber) error {
	return with.ScrubMetrics(ctx, o.Metrics)
}

// shownPoint is a data point as it is shown.
type shownPoint struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Unit        string         `json:"unit,omitempty"`
	Temporality string         `json:"temporality,omitempty"`
	Time        string         `json:"time,omitempty"`
	Value       any            `json:"value,omitempty"` // of gauges and sums
	Count       *uint64        `json:"count,omitempty"` // of histograms and summaries
	Sum         any            `json:"sum,omitempty"`
	Attributes  map[string]any `json:"attributes,omitempty"`
	Exemplars   int            `json:"exemplars,omitempty"` // how many
	Scope       string         `json:"scope,omitempty"`
	Resource    map[string]any `json:"resource,omitempty"`
}

func (o dataPoint) render(w *form) any {
	rm := o.ResourceMetrics().At(0)
	sm := rm.ScopeMetrics().At(0)
	m := sm.Metrics().At(0)
	out := shownPoint{Name: w.text(m.Name()), Type: m.Type().String(), Unit: w.text(m.Unit())}
	count := func(n uint64) { out.Count = &n }
	number := func(p pmetric.NumberDataPoint) pcommon.Map {
		out.Time, out.Exemplars = stamp(p.Timestamp()), p.Exemplars().Len()
		switch p.ValueType() {
		case pmetric.NumberDataPointValueTypeInt:
			out.Value = p.IntValue()
		case pmetric.NumberDataPointValueTypeDouble:
			out.Value = w.number(p.DoubleValue())
		}
		return p.Attributes()
	}
	attributes := pcommon.NewMap()
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		attributes = number(m.Gauge().DataPoints().At(0))
	case pmetric.MetricTypeSum:
		out.Temporality = m.Sum().AggregationTemporality().String()
		attributes = number(m.Sum().DataPoints().At(0))
	case pmetric.MetricTypeHistogram:
		p := m.Histogram().DataPoints().At(0)
		out.Temporality, out.Time, out.Exemplars = m.Histogram().AggregationTemporality().String(), stamp(p.Timestamp()), p.Exemplars().Len()
		count(p.Count())
		if p.HasSum() {
			out.Sum = w.number(p.Sum())
		}
		attributes = p.Attributes()
	case pmetric.MetricTypeExponentialHistogram:
		p := m.ExponentialHistogram().DataPoints().At(0)
		out.Temporality, out.Time, out.Exemplars = m.ExponentialHistogram().AggregationTemporality().String(), stamp(p.Timestamp()), p.Exemplars().Len()
		count(p.Count())
		if p.HasSum() {
			out.Sum = w.number(p.Sum())
		}
		attributes = p.Attributes()
	case pmetric.MetricTypeSummary:
		p := m.Summary().DataPoints().At(0)
		out.Time, out.Sum = stamp(p.Timestamp()), w.number(p.Sum())
		count(p.Count())
		attributes = p.Attributes()
	}
	out.Attributes = w.fields(attributes, 0)
	out.Scope = w.text(sm.Scope().Name())
	out.Resource = w.fields(rm.Resource().Attributes(), 0)
	return out
}
