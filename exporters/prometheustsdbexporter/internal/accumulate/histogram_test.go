package accumulate_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
)

// point is a histogram; sum 0 is none.
type point struct {
	count  uint64
	sum    float64
	bounds []float64
	counts []uint64
}

// latency is points of one series, a minute apart from minute at on.
func latency(at int, all ...point) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("latency")
	m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for i, x := range all {
		h := m.Histogram().DataPoints().AppendEmpty()
		h.SetStartTimestamp(minute(at + i - 1))
		h.SetTimestamp(minute(at + i))
		h.SetCount(x.count)
		if x.sum != 0 {
			h.SetSum(x.sum)
		}
		h.ExplicitBounds().FromRaw(x.bounds)
		h.BucketCounts().FromRaw(x.counts)
	}
	return md
}

func histograms(md pmetric.Metrics) pmetric.HistogramDataPointSlice {
	return md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Histogram().DataPoints()
}

func TestHistograms(t *testing.T) {
	s := accumulate.New(set)
	for i := range 3 {
		md := latency(i, point{3, 2.5, []float64{1}, []uint64{2, 1}}, point{9, 0, nil, []uint64{1}})
		m := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().AppendEmpty()
		m.SetName("exponential")
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		e := m.ExponentialHistogram().DataPoints().AppendEmpty()
		e.SetTimestamp(minute(i))
		e.SetCount(2)
		e.SetZeroCount(1)
		e.SetScale(int32(3 - i))
		e.Positive().BucketCounts().FromRaw([]uint64{1})
		assert.Equal(t, refused{accumulate.Malformed: 1}, s.Apply(md, batch()).Refused)
		h := histograms(md).At(0)
		assert.Equal(t, uint64(3*(i+1)), h.Count())
		assert.InDelta(t, 2.5*float64(i+1), h.Sum(), 1e-9)
		assert.Equal(t, []uint64{uint64(2 * (i + 1)), uint64(i + 1)}, h.BucketCounts().AsRaw())
		assert.Equal(t, uint64(2*(i+1)), e.Count())
		assert.Equal(t, int32(3-i), e.Scale())
	}
}

// A histogram without a sum, or with one that is not finite, does not end a sum; the gap is counted.
func TestSumsGoOnOverGaps(t *testing.T) {
	one := func(sum float64) point { return point{1, sum, []float64{1}, []uint64{1, 0}} }
	for _, gap := range []float64{0, math.NaN(), math.Inf(1)} {
		s := accumulate.New(set)
		md := latency(1, one(2), one(gap), one(2))
		o := s.Apply(md, batch())
		assert.Zero(t, o.Refused)
		if gap == 0 {
			assert.Equal(t, 1, o.NoSum)
		} else {
			assert.Equal(t, 1, o.SumNotFinite)
		}
		var sums []float64
		for _, h := range histograms(md).All() {
			require.True(t, h.HasSum())
			sums = append(sums, h.Sum())
		}
		assert.Equal(t, []float64{2, 2, 4}, sums)
		assert.EqualValues(t, 3, histograms(md).At(2).Count())
	}
}

// Other bounds start another total, after a point of zero: PromQL sees a reset, even if the new count is larger, and every bucket from its
// first measurement on. Whatever the order of bounds, no measurement is lost or counted twice.
func TestChangedBounds(t *testing.T) {
	s := accumulate.New(set)
	old, next := []float64{1, 2}, []float64{10, 20}
	md := latency(1, point{6, 9, old, []uint64{1, 2, 3}}, point{7, 99, next, []uint64{1, 5, 1}}, point{7, 99, next, []uint64{1, 5, 1}}, point{6, 9, old, []uint64{1, 2, 3}})
	o := s.Apply(md, batch())
	assert.Zero(t, o.Refused)
	assert.Equal(t, 2, o.Rebounded)
	type total struct {
		start, at time.Duration
		count     uint64
		counts    []uint64
	}
	var got []total
	for _, h := range histograms(md).All() {
		got = append(got, total{h.StartTimestamp().AsTime().Sub(epoch), h.Timestamp().AsTime().Sub(epoch), h.Count(), h.BucketCounts().AsRaw()})
	}
	const m, ms = time.Minute, time.Millisecond
	assert.Equal(t, []total{
		{0, m, 6, []uint64{1, 2, 3}},
		{m + ms, m + ms, 0, []uint64{0, 0, 0}},
		{m + ms, 2 * m, 7, []uint64{1, 5, 1}},
		{m + ms, 3 * m, 14, []uint64{2, 10, 2}},
		{3*m + ms, 3*m + ms, 0, []uint64{0, 0, 0}},
		{3*m + ms, 4 * m, 6, []uint64{1, 2, 3}},
	}, got)
	assert.Equal(t, next, histograms(md).At(1).ExplicitBounds().AsRaw())
}

// If no two milliseconds are free to start another total, the total gets the bounds of both and continues.
func TestChangedBoundsOfLatePoints(t *testing.T) {
	s := accumulate.New(set)
	s.Apply(latency(10, point{6, 9, []float64{1, 2}, []uint64{1, 2, 3}}), batch())
	o := s.Apply(latency(5, point{7, 99, []float64{10, 20}, []uint64{1, 5, 1}}), batch())
	assert.Zero(t, o)
	md := latency(11, point{6, 9, []float64{1, 2}, []uint64{1, 2, 3}}, point{6, 9, []float64{1, 2}, []uint64{1, 2, 3}})
	s.Apply(md, batch())
	var counts []uint64
	for _, h := range histograms(md).All() {
		counts = append(counts, h.Count())
	}
	assert.Equal(t, []uint64{19, 0, 6}, counts, "the sample takes along what waits, and then another total begins")

	s = accumulate.New(set)
	s.Apply(latency(10, point{6, 9, []float64{1, 2}, []uint64{1, 2, 3}}), batch())
	s.Apply(latency(5, point{7, 99, []float64{10, 20}, []uint64{1, 5, 1}}), batch())
	s.Advance(epoch, true, epoch.Add(time.Hour))
	s.Advance(epoch.Add(time.Hour), true, epoch.Add(time.Hour))
	r, ok := s.Outbox()
	require.True(t, ok)
	h := histograms(r.Metrics).At(0)
	assert.Equal(t, []float64{1, 2, 10, 20}, h.ExplicitBounds().AsRaw())
	assert.Equal(t, []uint64{1, 2, 1, 5, 4}, h.BucketCounts().AsRaw())
	assert.InDelta(t, 108, h.Sum(), 1e-9)
}

// A count that would exceed 64 bits starts another total.
func TestCountsDontWrap(t *testing.T) {
	s := accumulate.New(set)
	half := point{1 << 63, 1, []float64{1}, []uint64{1 << 63, 0}}
	md := latency(1, half, half)
	o := s.Apply(md, batch())
	assert.Equal(t, 1, o.Overflowed)
	assert.EqualValues(t, 0, histograms(md).At(1).Count())
	assert.EqualValues(t, uint64(1<<63), histograms(md).At(2).Count())
	assert.Equal(t, refused{accumulate.CountOverflow: 1}, s.Apply(latency(1, point{1 << 63, 2, []float64{1}, []uint64{1 << 63, 0}}), batch()).Refused, "no millisecond is free")
}

// The end of a series is the end at all bounds of its total, whatever bounds the point has.
func TestTheEndHasAllBounds(t *testing.T) {
	s := accumulate.New(set)
	s.Apply(latency(1, point{6, 9, []float64{1, 2}, []uint64{1, 2, 3}}), batch())
	md := latency(2, point{})
	histograms(md).At(0).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	s.Apply(md, batch())
	h := histograms(md).At(0)
	assert.True(t, h.Flags().NoRecordedValue())
	assert.True(t, h.HasSum())
	assert.Equal(t, []float64{1, 2}, h.ExplicitBounds().AsRaw())
}
