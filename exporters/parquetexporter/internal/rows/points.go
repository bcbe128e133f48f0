package rows

import (
	"github.com/penstockhq/penstock/internal/columnar"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

type floatColumn = columnar.Column[float64]

// pointColumns are the columns of a data point; those that a type doesn't have are null or empty.
type pointColumns struct {
	start, flags            *intColumn
	value                   *floatColumn
	valueInt, count         *intColumn
	sum, min, max           *floatColumn
	counts                  *intColumn
	bounds                  *floatColumn
	scale                   *columnar.Column[int32]
	zeroCount               *intColumn
	zeroThreshold           *floatColumn
	positiveOffset          *columnar.Column[int32]
	positive                *intColumn
	negativeOffset          *columnar.Column[int32]
	negative                *intColumn
	quantile, quantileValue *floatColumn
	attributes              *recordColumns
	exTime, exNanos         *intColumn
	exValue                 *floatColumn
	exInt                   *intColumn
	exTrace, exSpan         *stringColumn
	exAttributes            mapColumns
}

func newPointColumns(g *columnar.Group) pointColumns {
	var c pointColumns
	c.start = g.Int64("start_time_unix_nano", columnar.Required)
	c.flags = g.Int64("flags", columnar.Required)
	c.value = g.Float64("value", 0)
	c.valueInt = g.Int64("value_int", 0)
	c.count = g.Int64("count", 0)
	c.sum = g.Float64("sum", 0)
	c.min = g.Float64("min", 0)
	c.max = g.Float64("max", 0)
	c.counts = columnar.ListOf(g, "bucket_counts", (*columnar.Group).Int64)
	c.bounds = columnar.ListOf(g, "explicit_bounds", (*columnar.Group).Float64)
	c.scale = g.Int32("scale", 0)
	c.zeroCount = g.Int64("zero_count", 0)
	c.zeroThreshold = g.Float64("zero_threshold", 0)
	c.positiveOffset = g.Int32("positive_offset", 0)
	c.positive = columnar.ListOf(g, "positive_bucket_counts", (*columnar.Group).Int64)
	c.negativeOffset = g.Int32("negative_offset", 0)
	c.negative = columnar.ListOf(g, "negative_bucket_counts", (*columnar.Group).Int64)
	q := g.List("quantiles")
	c.quantile = q.Float64("quantile", columnar.Required)
	c.quantileValue = q.Float64("value", columnar.Required)
	c.attributes = newRecordColumns(g)
	ex := g.List("exemplars")
	c.exTime = ex.Timestamp("time", columnar.Required)
	c.exNanos = ex.Int64("time_unix_nano", columnar.Required)
	c.exValue = ex.Float64("value", 0)
	c.exInt = ex.Int64("value_int", 0)
	c.exTrace = ex.String("trace_id", 0)
	c.exSpan = ex.String("span_id", 0)
	c.exAttributes = newMapColumns(ex, "attributes")
	return c
}

func (e *Metrics) putPoint(m pmetric.Metric, i int) {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		e.putNumber(m.Gauge().DataPoints().At(i))
	case pmetric.MetricTypeSum:
		e.putNumber(m.Sum().DataPoints().At(i))
	case pmetric.MetricTypeHistogram:
		e.putHistogram(m.Histogram().DataPoints().At(i))
	case pmetric.MetricTypeExponentialHistogram:
		e.putExponential(m.ExponentialHistogram().DataPoints().At(i))
	case pmetric.MetricTypeSummary:
		e.putSummary(m.Summary().DataPoints().At(i))
	}
}

// anyPoint is what all data points share.
type anyPoint interface {
	Timestamp() pcommon.Timestamp
	StartTimestamp() pcommon.Timestamp
	Flags() pmetric.DataPointFlags
	Attributes() pcommon.Map
}

func (e *Metrics) putCommon(dp anyPoint) {
	e.nanos.Put(int64(dp.Timestamp()))
	e.p.start.Put(int64(dp.StartTimestamp()))
	e.p.flags.Put(int64(dp.Flags()))
	e.p.attributes.put(&e.collector, dp.Attributes())
}

func (e *Metrics) putNumber(dp pmetric.NumberDataPoint) {
	e.putCommon(dp)
	switch dp.ValueType() {
	case pmetric.NumberDataPointValueTypeInt:
		e.p.value.Put(float64(dp.IntValue()))
		e.p.valueInt.Put(dp.IntValue())
	case pmetric.NumberDataPointValueTypeDouble:
		e.p.value.Put(dp.DoubleValue())
		e.p.valueInt.Null()
	default:
		e.p.value.Null()
		e.p.valueInt.Null()
	}
	e.noDistribution()
	e.noBuckets()
	e.noExponential()
	e.noQuantiles()
	e.putExemplars(dp.Exemplars())
}

func (e *Metrics) putHistogram(dp pmetric.HistogramDataPoint) {
	e.putCommon(dp)
	e.noValue()
	e.p.count.Put(int64(dp.Count()))
	putIf(e.p.sum, dp.HasSum(), dp.Sum)
	putIf(e.p.min, dp.HasMin(), dp.Min)
	putIf(e.p.max, dp.HasMax(), dp.Max)
	putCounts(e.p.counts, dp.BucketCounts())
	e.p.bounds.PutAll(dp.ExplicitBounds().Len(), dp.ExplicitBounds().At)
	e.noExponential()
	e.noQuantiles()
	e.putExemplars(dp.Exemplars())
}

func (e *Metrics) putExponential(dp pmetric.ExponentialHistogramDataPoint) {
	e.putCommon(dp)
	e.noValue()
	e.p.count.Put(int64(dp.Count()))
	putIf(e.p.sum, dp.HasSum(), dp.Sum)
	putIf(e.p.min, dp.HasMin(), dp.Min)
	putIf(e.p.max, dp.HasMax(), dp.Max)
	e.noBuckets()
	e.p.scale.Put(dp.Scale())
	e.p.zeroCount.Put(int64(dp.ZeroCount()))
	e.p.zeroThreshold.Put(dp.ZeroThreshold())
	e.p.positiveOffset.Put(dp.Positive().Offset())
	putCounts(e.p.positive, dp.Positive().BucketCounts())
	e.p.negativeOffset.Put(dp.Negative().Offset())
	putCounts(e.p.negative, dp.Negative().BucketCounts())
	e.noQuantiles()
	e.putExemplars(dp.Exemplars())
}

func (e *Metrics) putSummary(dp pmetric.SummaryDataPoint) {
	e.putCommon(dp)
	e.noValue()
	e.p.count.Put(int64(dp.Count()))
	e.p.sum.Put(dp.Sum())
	e.p.min.Null()
	e.p.max.Null()
	e.noBuckets()
	e.noExponential()
	q := dp.QuantileValues()
	e.p.quantile.PutAll(q.Len(), func(i int) float64 { return q.At(i).Quantile() })
	e.p.quantileValue.PutAll(q.Len(), func(i int) float64 { return q.At(i).Value() })
	e.putExemplars(pmetric.NewExemplarSlice())
}

func (e *Metrics) noValue() {
	e.p.value.Null()
	e.p.valueInt.Null()
}

func (e *Metrics) noDistribution() {
	e.p.count.Null()
	e.p.sum.Null()
	e.p.min.Null()
	e.p.max.Null()
}

func (e *Metrics) noBuckets() {
	e.p.counts.MissingAt(0, 0)
	e.p.bounds.MissingAt(0, 0)
}

func (e *Metrics) noExponential() {
	e.p.scale.Null()
	e.p.zeroCount.Null()
	e.p.zeroThreshold.Null()
	e.p.positiveOffset.Null()
	e.p.positive.MissingAt(0, 0)
	e.p.negativeOffset.Null()
	e.p.negative.MissingAt(0, 0)
}

func (e *Metrics) noQuantiles() {
	e.p.quantile.MissingAt(0, 0)
	e.p.quantileValue.MissingAt(0, 0)
}

func putIf(c *floatColumn, has bool, value func() float64) {
	if has {
		c.Put(value())
	} else {
		c.Null()
	}
}

func putCounts(c *intColumn, counts pcommon.UInt64Slice) {
	c.PutAll(counts.Len(), func(i int) int64 { return int64(counts.At(i)) })
}

func (e *Metrics) putExemplars(exemplars pmetric.ExemplarSlice) {
	c := &e.p
	if exemplars.Len() == 0 {
		c.exTime.MissingAt(0, 0)
		c.exNanos.MissingAt(0, 0)
		c.exValue.MissingAt(0, 0)
		c.exInt.MissingAt(0, 0)
		c.exTrace.MissingAt(0, 0)
		c.exSpan.MissingAt(0, 0)
		c.exAttributes.missing()
		return
	}
	for i, ex := range exemplars.All() {
		rep := int16(min(i, 1))
		c.exTime.PutAt(int64(uint64(ex.Timestamp())/1000), rep)
		c.exNanos.PutAt(int64(ex.Timestamp()), rep)
		switch ex.ValueType() {
		case pmetric.ExemplarValueTypeInt:
			c.exValue.PutAt(float64(ex.IntValue()), rep)
			c.exInt.PutAt(ex.IntValue(), rep)
		case pmetric.ExemplarValueTypeDouble:
			c.exValue.PutAt(ex.DoubleValue(), rep)
			c.exInt.NullAt(rep)
		default:
			c.exValue.NullAt(rep)
			c.exInt.NullAt(rep)
		}
		traceID, spanID := ex.TraceID(), ex.SpanID()
		e.putElementID(c.exTrace, traceID[:], traceID.IsEmpty(), rep)
		e.putElementID(c.exSpan, spanID[:], spanID.IsEmpty(), rep)
		c.exAttributes.put(e.collectElement(elementPath{"exemplars", i}, ex.FilteredAttributes()), rep, true)
	}
}
