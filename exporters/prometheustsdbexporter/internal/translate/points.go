package translate

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
)

const (
	// maxExemplarRunes bounds an exemplar's labels: https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md#exemplars
	maxExemplarRunes = 128
	// maxBounds bounds the cached texts of bucket bounds and quantiles.
	maxBounds = 4096
)

var stale = math.Float64frombits(value.StaleNaN)

// noStream is a metadata key of metrics whose series have no stream.
const noStream = 0

// metricKind contains everything that a metric's name depends on.
type metricKind struct {
	name, unit string
	kind       otlptranslator.MetricType
}

// metric translates a metric.
func (c *converter) metric(m pmetric.Metric) {
	n := datapoint.Count(m)
	if n == 0 {
		return
	}
	if why, ok := unsupported(m, c.t.set.Delta); ok {
		c.refused[why] += n
		return
	}
	name, err := c.metricName(m)
	if err != nil {
		c.refused[Untranslatable] += n
		return
	}
	if _, total := m.Metadata().Get(sample.TotalMetadata); total {
		c.metricKey = noStream
	} else if c.t.set.Streams {
		k := streamkey.Metric(c.resourceKey, c.scopeKey, m)
		c.metricKey = max(k.Hi^k.Lo, noStream+1)
	}
	var units otlptranslator.UnitNamer
	f := c.family(sample.Family{Name: name, Metadata: metadata.Metadata{Type: typeOf(m), Unit: valid(units.Build(m.Unit())), Help: valid(m.Description())}})
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		c.numbers(f, m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		c.numbers(f, m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		delta := m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
		for _, p := range m.Histogram().DataPoints().All() {
			switch {
			case !c.timely(p.Timestamp()):
			case c.t.set.CustomBuckets:
				c.native(f, p, customBuckets(p, delta))
			default:
				c.histogram(f, p)
			}
		}
	case pmetric.MetricTypeExponentialHistogram:
		delta := m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			switch {
			case !c.timely(p.Timestamp()):
			case !(p.ZeroThreshold() >= 0) || math.IsInf(p.ZeroThreshold(), 1):
				c.refused[Malformed]++
			default:
				c.native(f, p, exponential(p, delta))
			}
		}
	case pmetric.MetricTypeSummary:
		for _, p := range m.Summary().DataPoints().All() {
			if c.timely(p.Timestamp()) {
				c.summary(f, p)
			}
		}
	}
}

// unsupported reports whether none of m's points can be sent, and why. delta: delta points can be.
func unsupported(m pmetric.Metric, delta bool) (Reason, bool) {
	var t pmetric.AggregationTemporality
	switch m.Type() {
	case pmetric.MetricTypeSum:
		t = m.Sum().AggregationTemporality()
	case pmetric.MetricTypeHistogram:
		t = m.Histogram().AggregationTemporality()
	case pmetric.MetricTypeExponentialHistogram:
		t = m.ExponentialHistogram().AggregationTemporality()
	default:
		return 0, false
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

func (c *converter) metricName(m pmetric.Metric) (string, error) {
	k := metricKind{name: m.Name(), unit: m.Unit()}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		k.kind = otlptranslator.MetricTypeGauge
	case pmetric.MetricTypeSum:
		k.kind = otlptranslator.MetricTypeNonMonotonicCounter
		if m.Sum().IsMonotonic() {
			k.kind = otlptranslator.MetricTypeMonotonicCounter
		}
	case pmetric.MetricTypeHistogram:
		k.kind = otlptranslator.MetricTypeHistogram
	case pmetric.MetricTypeExponentialHistogram:
		k.kind = otlptranslator.MetricTypeExponentialHistogram
	case pmetric.MetricTypeSummary:
		k.kind = otlptranslator.MetricTypeSummary
	}
	if name, ok := c.metricNames[k]; ok {
		return name, nil
	}
	name, err := c.metricNamer.Build(otlptranslator.Metric{Name: valid(k.name), Unit: k.unit, Type: k.kind})
	if err != nil {
		return "", err
	}
	name = valid(name) // a unit may be cut within a character
	c.metricNames[k] = name
	return name, nil
}

// typeOf is the Prometheus type of a metric. Deltas have none.
func typeOf(m pmetric.Metric) model.MetricType {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return model.MetricTypeGauge
	case pmetric.MetricTypeSummary:
		return model.MetricTypeSummary
	case pmetric.MetricTypeSum:
		switch {
		case m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta:
			return model.MetricTypeUnknown
		case m.Sum().IsMonotonic():
			return model.MetricTypeCounter
		}
		return model.MetricTypeGauge
	case pmetric.MetricTypeHistogram:
		if m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta {
			return model.MetricTypeUnknown
		}
	case pmetric.MetricTypeExponentialHistogram:
		if m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta {
			return model.MetricTypeUnknown
		}
	}
	return model.MetricTypeHistogram
}

// family returns f, the same pointer for all metrics that are alike.
func (c *converter) family(f sample.Family) *sample.Family {
	if known, ok := c.families[f]; ok {
		return known
	}
	c.families[f] = &f
	return &f
}

// timely reports whether a point's time can be sent, and counts it if not. Absurd times must not get any further: one point at time 0
// beside a current one would create decades of target_info.
func (c *converter) timely(t pcommon.Timestamp) bool {
	switch {
	case t == 0:
		c.refused[NoTime]++
		return false
	case t > c.limit:
		c.refused[Future]++
		return false
	}
	if c.latest == 0 || t < c.earliest {
		c.earliest = t
	}
	c.latest = max(c.latest, t)
	return true
}

// point is a data point of any type.
type point interface {
	Attributes() pcommon.Map
	Timestamp() pcommon.Timestamp
	StartTimestamp() pcommon.Timestamp
	Flags() pmetric.DataPointFlags
}

// begin reads a point's attributes and returns its plan and the common part of its samples.
func (c *converter) begin(f *sample.Family, m pcommon.Map, at, start pcommon.Timestamp) (*plan, sample.Sample) {
	c.attributes(m)
	p := c.plan(noExtra)
	if p.unnamed > 0 {
		c.refused[BadAttribute]++
	}
	c.points++
	s := sample.Sample{Time: milliseconds(at), Family: f, Record: c.record, Point: c.points}
	if start <= at { // a start after the point is nonsense
		s.Start = milliseconds(start)
	}
	if c.t.set.Streams && c.metricKey != noStream {
		s.Stream = c.stream(p)
	}
	return p, s
}

// add appends a sample of the series with these labels.
func (c *converter) add(s sample.Sample, p *plan, name, more string, v float64) {
	s.Labels, s.Hash = c.labels(p, name, more)
	s.Value = v
	c.samples = append(c.samples, s)
}

func (c *converter) numbers(f *sample.Family, ps pmetric.NumberDataPointSlice) {
	for _, p := range ps.All() {
		if !c.timely(p.Timestamp()) {
			continue
		}
		plan, s := c.begin(f, p.Attributes(), p.Timestamp(), p.StartTimestamp())
		var v float64
		switch {
		case p.Flags().NoRecordedValue():
			v = stale
		case p.ValueType() == pmetric.NumberDataPointValueTypeEmpty:
			c.refused[NoValue]++
			continue
		case p.ValueType() == pmetric.NumberDataPointValueTypeInt:
			v = float64(p.IntValue())
		default:
			v = p.DoubleValue()
		}
		if p.Exemplars().Len() > 0 {
			s.Exemplars = c.exemplars(p.Exemplars(), s.Time)
		}
		c.add(s, plan, f.Name, "", v)
	}
}

// histogram creates the classic series of an explicit histogram.
func (c *converter) histogram(f *sample.Family, p pmetric.HistogramDataPoint) {
	plan, s := c.begin(f, p.Attributes(), p.Timestamp(), p.StartTimestamp())
	number, ended := func(v float64) float64 { return v }, p.Flags().NoRecordedValue()
	if ended {
		number = func(float64) float64 { return stale }
	}
	if p.HasSum() || ended { // a point without a value has no sum, and ends the series
		c.add(s, plan, f.Name+"_sum", "", number(p.Sum()))
	}
	c.add(s, plan, f.Name+"_count", "", number(float64(p.Count())))
	key := c.samples[len(c.samples)-1].Hash
	var exemplars []exemplar.Exemplar
	if p.Exemplars().Len() > 0 {
		exemplars = c.exemplars(p.Exemplars(), s.Time)
		slices.SortStableFunc(exemplars, func(a, b exemplar.Exemplar) int { return cmp.Compare(a.Value, b.Value) })
	}
	buckets, name := c.plan(le), f.Name+"_bucket"
	bounds, counts := p.ExplicitBounds(), p.BucketCounts()
	var below uint64
	for i := range min(bounds.Len(), counts.Len()) {
		bound := bounds.At(i)
		below += counts.At(i)
		n := 0
		for n < len(exemplars) && exemplars[n].Value <= bound {
			n++
		}
		s.Exemplars, exemplars = exemplars[:n:n], exemplars[n:]
		byTime(s.Exemplars)
		c.add(s, buckets, name, c.bound(bound), number(float64(below)))
	}
	byTime(exemplars)
	s.Exemplars = exemplars
	c.add(s, buckets, name, "+Inf", number(float64(p.Count())))
	if !ended {
		note(&c.t.shapes, key, bounds)
		return
	}
	s.Exemplars = nil
	for _, bound := range missing(&c.t.shapes, key, bounds) {
		c.add(s, buckets, name, c.bound(bound), stale)
	}
}

func (c *converter) summary(f *sample.Family, p pmetric.SummaryDataPoint) {
	plan, s := c.begin(f, p.Attributes(), p.Timestamp(), p.StartTimestamp())
	number, ended := func(v float64) float64 { return v }, p.Flags().NoRecordedValue()
	if ended {
		number = func(float64) float64 { return stale }
	}
	c.add(s, plan, f.Name+"_sum", "", number(p.Sum()))
	c.add(s, plan, f.Name+"_count", "", number(float64(p.Count())))
	key := c.samples[len(c.samples)-1].Hash
	labeled := c.plan(quantile)
	for _, q := range p.QuantileValues().All() {
		c.add(s, labeled, f.Name, c.bound(q.Quantile()), number(q.Value()))
	}
	shape := quantiles{p.QuantileValues().Len(), func(i int) float64 { return p.QuantileValues().At(i).Quantile() }}
	if !ended {
		note(&c.t.shapes, key, shape)
		return
	}
	for _, q := range missing(&c.t.shapes, key, shape) {
		c.add(s, labeled, f.Name, c.bound(q), stale)
	}
}

// bound is the label value of a bucket's bound or a quantile.
func (c *converter) bound(v float64) string {
	if s, ok := c.bounds[v]; ok {
		return s
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if len(c.bounds) < maxBounds {
		c.bounds[v] = s
	}
	return s
}
