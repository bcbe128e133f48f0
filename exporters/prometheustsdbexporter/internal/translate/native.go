package translate

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

const (
	// zeroThreshold is Prometheus' default, for points without one.
	zeroThreshold = 1e-128
	// maxGap is how many empty buckets are encoded before a new span is cheaper.
	maxGap = 2
)

// nativePoint is a data point that becomes a native histogram.
type nativePoint interface {
	point
	Exemplars() pmetric.ExemplarSlice
	HasSum() bool
	Sum() float64
	Count() uint64
}

// native appends a point's native histogram; nil is a histogram without a value.
func (c *converter) native(f *sample.Family, p nativePoint, h *histogram.Histogram) {
	if h == nil {
		c.refused[Untranslatable]++
		return
	}
	plan, s := c.begin(f, p.Attributes(), p.Timestamp(), p.StartTimestamp())
	h.Count = p.Count()
	if p.HasSum() {
		h.Sum = p.Sum()
	}
	if p.Flags().NoRecordedValue() {
		h.Sum, h.Count = stale, value.StaleNaN
	}
	s.Histogram = h
	if p.Exemplars().Len() > 0 {
		s.Exemplars = c.exemplars(p.Exemplars(), s.Time)
	}
	c.add(s, plan, f.Name, "", 0)
}

// hint lets the receiver detect resets, as Prometheus does. Deltas are gauges.
func hint(delta bool) histogram.CounterResetHint {
	if delta {
		return histogram.GaugeType
	}
	return histogram.UnknownCounterReset
}

// exponential returns the native histogram of p, without count and sum. It is nil if the scale is too coarse, or a bucket's index too
// large, for Prometheus. A scale finer than Prometheus' finest is reduced.
func exponential(p pmetric.ExponentialHistogramDataPoint, delta bool) *histogram.Histogram {
	if p.Scale() < histogram.ExponentialSchemaMin {
		return nil
	}
	down := max(p.Scale()-histogram.ExponentialSchemaMax, 0)
	h := &histogram.Histogram{
		CounterResetHint: hint(delta), Schema: p.Scale() - down, ZeroThreshold: zeroThreshold, ZeroCount: p.ZeroCount(),
	}
	if t := p.ZeroThreshold(); t > 0 {
		h.ZeroThreshold = t
	}
	var ok bool
	// OTLP's bucket 0 ends where Prometheus' bucket 1 ends.
	if h.PositiveSpans, h.PositiveBuckets, ok = layout(p.Positive().BucketCounts(), int64(p.Positive().Offset()), down, 1); !ok {
		return nil
	}
	if h.NegativeSpans, h.NegativeBuckets, ok = layout(p.Negative().BucketCounts(), int64(p.Negative().Offset()), down, 1); !ok {
		return nil
	}
	return h
}

// customBuckets returns the native histogram of p that keeps its bounds, without count and sum.
func customBuckets(p pmetric.HistogramDataPoint, delta bool) *histogram.Histogram {
	h := &histogram.Histogram{CounterResetHint: hint(delta), Schema: histogram.CustomBucketsSchema, CustomValues: p.ExplicitBounds().AsRaw()}
	h.PositiveSpans, h.PositiveBuckets, _ = layout(p.BucketCounts(), 0, 0, 0)
	return h
}

// layout encodes dense counts, the first of bucket offset, as spans and differences. 2^down buckets become one; shift is added to each
// index. false: an index doesn't fit.
func layout(counts pcommon.UInt64Slice, offset int64, down int32, shift int64) (spans []histogram.Span, deltas []int64, ok bool) {
	n := counts.Len()
	if n == 0 {
		return nil, nil, true
	}
	if offset+int64(n)+shift > math.MaxInt32 || offset < math.MinInt32 {
		return nil, nil, false
	}
	deltas = make([]int64, 0, n>>down+2)
	var last int64 // count of the previous bucket
	var next int64 // index after the previous bucket
	emit := func(index int64, count uint64) {
		if count == 0 {
			return
		}
		gap := index - next
		if len(spans) == 0 || gap > maxGap {
			spans = append(spans, histogram.Span{Offset: int32(gap)})
			gap = 0
		}
		span := &spans[len(spans)-1]
		for range gap {
			deltas = append(deltas, -last)
			last = 0
		}
		span.Length += uint32(gap) + 1
		deltas = append(deltas, int64(count)-last)
		last, next = int64(count), index+1
	}
	index, sum := offset>>down+shift, uint64(0)
	for i := range n {
		if at := (offset+int64(i))>>down + shift; at != index {
			emit(index, sum)
			index, sum = at, 0
		}
		sum += counts.At(i)
	}
	emit(index, sum)
	return spans, deltas, true
}
