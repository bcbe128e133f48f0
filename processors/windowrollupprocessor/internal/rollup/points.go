package rollup

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/repeat"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// maxCount is how many measurements a point may claim: what a float64 can count one by one. Thousands of such points fit into the 64 bits
// of a window's count.
const maxCount = 1 << 53

// point is one data point on its way into panes.
type point struct {
	kind          aggregate.Kind
	at            int64
	value, latest float64 // numbers
	histogram     datapoint.Histogram
	exponential   datapoint.Exponential
	summary       datapoint.Summary
}

func (p *point) addTo(c aggregate.Cell, maxBuckets int) (coarsened bool) {
	switch p.kind {
	case aggregate.Histogram:
		return c.Explicit(p.histogram)
	case aggregate.Exponential:
		c.Exponential(p.exponential, maxBuckets)
	case aggregate.Summary:
		c.Summary(p.summary)
	default:
		c.Number(p.value, p.latest, p.at, maxBuckets)
	}
	return false
}

// flagsOf returns the flags of a point; one without a value is flagged so in any case.
func flagsOf(dp dataPoint) pmetric.DataPointFlags {
	if n, ok := dp.(pmetric.NumberDataPoint); ok {
		return flagsOfNumber(n)
	}
	return dp.Flags()
}

func flagsOfNumber(dp pmetric.NumberDataPoint) pmetric.DataPointFlags {
	if dp.ValueType() == pmetric.NumberDataPointValueTypeEmpty {
		return dp.Flags().WithNoRecordedValue(true)
	}
	return dp.Flags()
}

func (b *batch) explicit(dp pmetric.HistogramDataPoint, temporality pmetric.AggregationTemporality) (raw bool) {
	at, raw, take := b.begin(aggregate.Histogram, dp.Timestamp(), dp.Flags(), dp.Attributes())
	if !take {
		return raw
	}
	h, err := datapoint.FromHistogram(dp)
	if err != nil || h.Count > maxCount {
		b.out.lose(Malformed)
		return raw
	}
	notFinite := h.FiniteSum()
	p := point{kind: aggregate.Histogram, at: at, histogram: h}
	switch temporality {
	case pmetric.AggregationTemporalityDelta:
		if again(b, dp, h) {
			return raw
		}
	case pmetric.AggregationTemporalityCumulative:
		inc, step, coarsened, full := increase(b.s.runs, histogramRuns, b.inputStream(dp.Attributes()), h,
			int64(dp.StartTimestamp()), int64(dp.Timestamp()), b.began, b.set.MaxInputStreams)
		if !b.counts(step, full) {
			return raw
		}
		if coarsened {
			b.out.Coarsened++
		}
		p.histogram = inc
	default:
		b.out.lose(NoTemporality)
		return raw
	}
	b.noteSum(&p.histogram.Moments, notFinite)
	b.add(&p, dp.Attributes())
	return raw
}

func (b *batch) exponential(dp pmetric.ExponentialHistogramDataPoint, temporality pmetric.AggregationTemporality) (raw bool) {
	at, raw, take := b.begin(aggregate.Exponential, dp.Timestamp(), dp.Flags(), dp.Attributes())
	if !take {
		return raw
	}
	e, err := datapoint.FromExponential(dp, b.set.MaxBuckets)
	if err != nil || e.Count > maxCount {
		b.out.lose(Malformed)
		return raw
	}
	notFinite := e.FiniteSum()
	p := point{kind: aggregate.Exponential, at: at, exponential: e}
	switch temporality {
	case pmetric.AggregationTemporalityDelta:
		if again(b, dp, e) {
			return raw
		}
	case pmetric.AggregationTemporalityCumulative:
		inc, step, _, full := increase(b.s.runs, exponentialRuns, b.inputStream(dp.Attributes()), e,
			int64(dp.StartTimestamp()), int64(dp.Timestamp()), b.began, b.set.MaxInputStreams)
		if !b.counts(step, full) {
			return raw
		}
		p.exponential = inc
	default:
		b.out.lose(NoTemporality)
		return raw
	}
	b.noteSum(&p.exponential.Moments, notFinite)
	b.add(&p, dp.Attributes())
	return raw
}

func (b *batch) summary(dp pmetric.SummaryDataPoint) (raw bool) {
	at, raw, take := b.begin(aggregate.Summary, dp.Timestamp(), dp.Flags(), dp.Attributes())
	if !take {
		return raw
	}
	v := datapoint.FromSummary(dp)
	if v.Sum-v.Sum != 0 {
		b.out.lose(NotFinite)
		return raw
	}
	if v.Count > maxCount {
		b.out.lose(Malformed)
		return raw
	}
	inc, step, _, full := increase(b.s.runs, summaryRuns, b.inputStream(dp.Attributes()), v,
		int64(dp.StartTimestamp()), int64(dp.Timestamp()), b.began, b.set.MaxInputStreams)
	if !b.counts(step, full) {
		return raw
	}
	b.add(&point{kind: aggregate.Summary, at: at, summary: inc}, dp.Attributes())
	return raw
}

// noteSum counts a histogram whose window lacks its sum.
func (b *batch) noteSum(m *datapoint.Moments, notFinite bool) {
	switch {
	case notFinite:
		b.out.SumNotFinite++
	case !m.HasSum && m.Count > 0:
		b.out.NoSum++
	}
}

// counts classifies a cumulative point, and reports whether it has an increase.
func (b *batch) counts(step datapoint.Step, full bool) bool {
	switch {
	case full:
		b.out.lose(StreamLimit)
		return false
	case step == datapoint.Baseline:
		b.out.lose(Baseline)
		return false
	case step == datapoint.Stale:
		b.out.lose(Stale)
		return false
	case step == datapoint.Reset:
		b.out.Resets++
	}
	return true
}

// again reports whether a delta point was already counted, from another request, and then counts it as repeated.
func again[P interface {
	dataPoint
	StartTimestamp() pcommon.Timestamp
}, V interface{ Append([]byte) []byte }](b *batch, dp P, value V) bool {
	if b.deduplicated {
		return false
	}
	b.encoded = value.Append(b.encoded[:0])
	mark := repeat.Mark(b.inputStream(dp.Attributes()), int64(dp.StartTimestamp()), int64(dp.Timestamp()), b.encoded)
	if !b.s.repeats.Again(mark, b.entry) {
		return false
	}
	b.out.lose(Repeated)
	return true
}

// inputStream returns the identity of the point's stream.
func (b *batch) inputStream(attributes pcommon.Map) streamkey.Key {
	if b.input == (streamkey.Key{}) {
		b.input = streamkey.Stream(b.streams, attributes)
	}
	return b.input
}
