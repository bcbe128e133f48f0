package datapoint_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
)

func TestNumberArithmetic(t *testing.T) {
	i, f := datapoint.Int, datapoint.Float
	for _, tt := range []struct{ a, b, sum, diff datapoint.Number }{
		{i(2), i(3), i(5), i(-1)},
		{i(3), i(-2), i(1), i(5)},
		{f(0.5), f(0.25), f(0.75), f(0.25)},
		{i(1), f(0.5), f(1.5), f(0.5)},
		{i(math.MaxInt64), i(1), f(math.MaxInt64), i(math.MaxInt64 - 1)},
		{i(math.MinInt64), i(1), i(math.MinInt64 + 1), f(math.MinInt64)},
		{i(1<<53 + 1), i(0), i(1<<53 + 1), i(1<<53 + 1)},
	} {
		assert.Equal(t, tt.sum, tt.a.Add(tt.b), "%v + %v", tt.a, tt.b)
		diff, fell := tt.a.Sub(tt.b)
		assert.Equal(t, tt.diff, diff, "%v - %v", tt.a, tt.b)
		assert.Equal(t, tt.a.Less(tt.b), fell)
	}
	assert.Equal(t, i(7), datapoint.Number{}.Add(i(7)), "the zero value is neutral")
}

func histogram(bounds []float64, counts ...uint64) datapoint.Histogram {
	h := datapoint.Histogram{Bounds: bounds, Counts: counts}
	for _, c := range counts {
		h.Count += c
	}
	return h
}

func TestHistogramAdd(t *testing.T) {
	for _, tt := range []struct {
		name      string
		a, b      datapoint.Histogram
		want      datapoint.Histogram
		coarsened bool
	}{
		{
			"same bounds",
			histogram([]float64{1, 2}, 1, 2, 3), histogram([]float64{1, 2}, 10, 20, 30),
			histogram([]float64{1, 2}, 11, 22, 33), false,
		},
		{
			"one has a bound more",
			histogram([]float64{1, 2, 4}, 1, 2, 3, 4), histogram([]float64{1, 4}, 10, 20, 30),
			histogram([]float64{1, 2, 4}, 11, 2, 23, 34), false,
		},
		{
			"interleaved",
			histogram([]float64{1, 3, 5}, 1, 2, 3, 4), histogram([]float64{2, 3, 6}, 10, 20, 30, 40),
			histogram([]float64{1, 2, 3, 5, 6}, 1, 10, 22, 3, 30, 44), false,
		},
		{
			"nothing in common",
			histogram([]float64{1, 2}, 1, 2, 3), histogram([]float64{10, 20}, 10, 20, 30),
			histogram([]float64{1, 2, 10, 20}, 1, 2, 10, 20, 33), false,
		},
		{
			"one without bounds",
			histogram([]float64{1, 2}, 1, 2, 3), histogram(nil, 10),
			histogram([]float64{1, 2}, 1, 2, 13), false,
		},
		{
			"onto nothing",
			datapoint.Histogram{}, histogram([]float64{1}, 1, 2),
			histogram([]float64{1}, 1, 2), false,
		},
		{
			"nothing onto something",
			histogram([]float64{1}, 1, 2), datapoint.Histogram{},
			histogram([]float64{1}, 1, 2), false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.coarsened, tt.a.Add(tt.b))
			assert.Equal(t, tt.want, tt.a)
		})
	}
}

// Of the bounds of many histograms each measurement keeps its own, in whatever order they are merged; past MaxBounds the
// first ones stay, and no measurement is lost.
func TestHistogramsOfManyBounds(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		want, parts := map[float64]uint64{}, []datapoint.Histogram{}
		for range 1 + rnd.IntN(6) {
			var h datapoint.Histogram
			for bound := rnd.IntN(4); bound < 20; bound += 1 + rnd.IntN(5) {
				h.Bounds = append(h.Bounds, float64(bound))
				h.Counts = append(h.Counts, rnd.Uint64N(5))
				want[float64(bound)] += h.Counts[len(h.Counts)-1]
			}
			h.Counts = append(h.Counts, rnd.Uint64N(5))
			want[math.Inf(1)] += h.Counts[len(h.Counts)-1]
			for _, c := range h.Counts {
				h.Count += c
			}
			parts = append(parts, h)
		}
		for range 2 {
			var all datapoint.Histogram
			for _, i := range rnd.Perm(len(parts)) {
				require.False(t, all.Add(parts[i]))
			}
			for i, c := range all.Counts {
				bound := math.Inf(1)
				if i < len(all.Bounds) {
					bound = all.Bounds[i]
				}
				require.Equal(t, want[bound], c, "seed %d, bound %v", seed, bound)
			}
		}
	}
	var all datapoint.Histogram
	coarsened := false
	for i := range 2 * datapoint.MaxBounds {
		coarsened = all.Add(histogram([]float64{float64(i)}, 1, 1)) || coarsened
	}
	assert.True(t, coarsened)
	assert.Len(t, all.Bounds, datapoint.MaxBounds)
	assert.EqualValues(t, 4*datapoint.MaxBounds, all.Count)
	var held uint64
	for _, c := range all.Counts {
		held += c
	}
	assert.Equal(t, all.Count, held)
}

// A sum continues over points without one; the measurements of those points are missing in it.
func TestASumGoesOnOverAGap(t *testing.T) {
	with := func(sum float64) datapoint.Histogram {
		return datapoint.Histogram{Moments: datapoint.Moments{Count: 1, Sum: sum, HasSum: true}, Counts: []uint64{1}}
	}
	none := datapoint.Histogram{Moments: datapoint.Moments{Count: 1}, Counts: []uint64{1}}
	var total datapoint.Histogram
	for _, h := range []datapoint.Histogram{with(2), none, with(2)} {
		total.Add(h)
	}
	assert.Equal(t, datapoint.Moments{Count: 3, Sum: 4, HasSum: true}, total.Moments)
	assert.True(t, with(2).Gap(none.Moments))
	assert.True(t, none.Gap(with(2).Moments))
	assert.False(t, with(2).Gap(with(3).Moments))
	assert.False(t, with(2).Gap(datapoint.Moments{}), "nothing was measured")

	nan := with(math.NaN())
	assert.True(t, nan.FiniteSum())
	assert.Equal(t, none, nan)

	// In a cumulative run, the point after the gap brings the sum's increase.
	last := with(2)
	gap := datapoint.Histogram{Moments: datapoint.Moments{Count: 2}, Counts: []uint64{2}}
	gap.Carry(last.Moments)
	inc, _, _ := gap.Sub(last)
	assert.Equal(t, datapoint.Moments{Count: 1, HasSum: true}, inc.Moments)
	next := datapoint.Histogram{Moments: datapoint.Moments{Count: 3, Sum: 9, HasSum: true}, Counts: []uint64{3}}
	inc, _, _ = next.Sub(gap)
	assert.Equal(t, datapoint.Moments{Count: 1, Sum: 7, HasSum: true}, inc.Moments)
}

func TestLeastAndGreatestAreKeptWhileAllHaveThem(t *testing.T) {
	full := datapoint.Moments{Count: 2, Sum: 5, Min: 1, Max: 4, HasSum: true, HasMin: true, HasMax: true}
	a := datapoint.Histogram{Moments: full, Counts: []uint64{2}}
	a.Add(datapoint.Histogram{Moments: datapoint.Moments{Count: 1, Sum: 9, Min: 9, Max: 9, HasSum: true, HasMin: true, HasMax: true}, Counts: []uint64{1}})
	assert.Equal(t, datapoint.Moments{Count: 3, Sum: 14, Min: 1, Max: 9, HasSum: true, HasMin: true, HasMax: true}, a.Moments)
	a.Add(datapoint.Histogram{Moments: datapoint.Moments{Count: 1, Sum: 1, HasSum: true}, Counts: []uint64{1}})
	assert.Equal(t, datapoint.Moments{Count: 4, Sum: 15, HasSum: true}, a.Moments)
}

func TestHistogramSub(t *testing.T) {
	prev := histogram([]float64{1, 2}, 1, 2, 3)
	inc, fell, ok := histogram([]float64{1, 2}, 2, 2, 5).Sub(prev)
	assert.Equal(t, histogram([]float64{1, 2}, 1, 0, 2), inc)
	assert.False(t, fell)
	assert.True(t, ok)

	_, fell, ok = histogram([]float64{1, 2}, 0, 5, 5).Sub(prev)
	assert.True(t, fell, "one bucket fell though the count grew")
	assert.True(t, ok)

	inc, fell, ok = histogram([]float64{1, 3}, 2, 2, 5).Sub(prev)
	assert.Equal(t, histogram([]float64{1, 3}, 0, 0, 3), inc, "how many is known, and not where they lie")
	assert.False(t, fell)
	assert.False(t, ok, "other bounds")
}

func TestFromHistogramRefusesContradictions(t *testing.T) {
	build := func(count uint64, bounds []float64, counts ...uint64) pmetric.HistogramDataPoint {
		dp := pmetric.NewHistogramDataPoint()
		dp.SetCount(count)
		dp.ExplicitBounds().FromRaw(bounds)
		dp.BucketCounts().FromRaw(counts)
		return dp
	}
	for name, dp := range map[string]pmetric.HistogramDataPoint{
		"too few buckets":   build(3, []float64{1, 2}, 1, 2),
		"bounds descend":    build(3, []float64{2, 1}, 1, 1, 1),
		"bounds repeat":     build(3, []float64{1, 1}, 1, 1, 1),
		"bound is NaN":      build(2, []float64{math.NaN()}, 1, 1),
		"count contradicts": build(9, []float64{1}, 1, 2),
		"counts wrap":       build(1, []float64{1}, math.MaxUint64, 2),
	} {
		_, err := datapoint.FromHistogram(dp)
		require.ErrorIs(t, err, datapoint.ErrMalformed, name)
	}
	h, err := datapoint.FromHistogram(build(7, nil))
	require.NoError(t, err)
	assert.Equal(t, histogram(nil, 7), h, "without buckets: one from minus to plus infinity")
}

// exponentialOf counts values the slow and obvious way: at the finest scale first, then
// reduced.
func exponentialOf(scale int32, values ...float64) datapoint.Exponential {
	dp := pmetric.NewExponentialHistogramDataPoint()
	dp.SetScale(scale)
	dp.SetCount(uint64(len(values)))
	counts := map[bool]map[int]uint64{true: {}, false: {}}
	for i, v := range values {
		dp.SetSum(dp.Sum() + v)
		if i == 0 || v < dp.Min() {
			dp.SetMin(v)
		}
		if i == 0 || v > dp.Max() {
			dp.SetMax(v)
		}
		if v == 0 {
			dp.SetZeroCount(dp.ZeroCount() + 1)
			continue
		}
		index := math.Ceil(math.Log2(math.Abs(v))*math.Ldexp(1, int(scale))) - 1
		counts[v > 0][int(index)]++
	}
	for positive, dst := range map[bool]pmetric.ExponentialHistogramDataPointBuckets{true: dp.Positive(), false: dp.Negative()} {
		lo, hi := math.MaxInt, math.MinInt
		for i := range counts[positive] {
			lo, hi = min(lo, i), max(hi, i)
		}
		if lo > hi {
			continue
		}
		dst.SetOffset(int32(lo))
		raw := make([]uint64, hi-lo+1)
		for i, c := range counts[positive] {
			raw[i-lo] = c
		}
		dst.BucketCounts().FromRaw(raw)
	}
	e, err := datapoint.FromExponential(dp, 1<<20)
	if err != nil {
		panic(err)
	}
	return e
}

// Whatever is merged, in any order: never more buckets than the limit, no lost count, and the same histogram.
func TestExponentialAddIsBoundedAndOrderFree(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		maxBuckets := 2 + rnd.IntN(40)
		var parts []datapoint.Exponential
		var all []float64
		for range 1 + rnd.IntN(6) {
			var values []float64
			for range rnd.IntN(8) {
				v := math.Ldexp(float64(1+rnd.IntN(8)), rnd.IntN(1+rnd.IntN(120))-40)
				if rnd.IntN(4) == 0 {
					v = -v
				}
				if rnd.IntN(9) == 0 {
					v = 0
				}
				values = append(values, v)
			}
			all = append(all, values...)
			parts = append(parts, exponentialOf(int32(rnd.IntN(8)), values...))
		}
		merge := func(order []int) (e datapoint.Exponential) {
			for _, i := range order {
				e.Add(parts[i], maxBuckets)
				assert.LessOrEqual(t, max(len(e.Positive.Counts), len(e.Negative.Counts)), maxBuckets)
			}
			return e
		}
		first := merge(rnd.Perm(len(parts)))
		second := merge(rnd.Perm(len(parts)))
		assert.InDelta(t, first.Sum, second.Sum, 1e-9*math.Abs(first.Sum)+1e-9)
		first.Sum, second.Sum = 0, 0
		require.Equal(t, first, second, "seed %d", seed)
		require.EqualValues(t, len(all), first.Count)
		if len(all) > 0 {
			want := exponentialOf(max(first.Scale, datapoint.CoarsestRead), all...)
			want.Reduce(maxBuckets)
			require.Equal(t, want.Positive, first.Positive, "seed %d", seed)
			require.Equal(t, want.Negative, first.Negative, "seed %d", seed)
			require.Equal(t, want.ZeroCount, first.ZeroCount)
		}
	}
}

// contrib's expo.Limit divides negative indexes towards zero and counts one bucket too few.
func TestExponentialReduceAcrossOne(t *testing.T) {
	e := exponentialOf(0, 0.5, 1, 2, 4) // buckets -2 to 1
	e.Reduce(3)
	assert.EqualValues(t, -1, e.Scale)
	assert.Equal(t, datapoint.Buckets{Offset: -1, Counts: []uint64{2, 2}}, e.Positive)

	wide := exponentialOf(0, math.SmallestNonzeroFloat64, math.MaxFloat64)
	wide.Reduce(1)
	assert.EqualValues(t, datapoint.MinScale, wide.Scale)
	assert.Len(t, wide.Positive.Counts, 2, "two is the least")
}

func TestExponentialAddFarApartAllocatesLittle(t *testing.T) {
	a, b := exponentialOf(20, 1e-300), exponentialOf(20, 1e300)
	assert.Less(t, testing.AllocsPerRun(10, func() {
		x := a
		x.Add(b, 160)
		if len(x.Positive.Counts) > 160 {
			t.Fatal("too many buckets")
		}
	}), 10.0)
}

func TestExponentialZeroThreshold(t *testing.T) {
	a := exponentialOf(0, 0, 1, 2, 4, 8) // buckets end at 1, 2, 4, 8
	b := exponentialOf(0, 16)
	b.ZeroThreshold, b.ZeroCount, b.Count = 1.5, 3, 4
	a.Add(b, 160)
	assert.InDelta(t, 2, a.ZeroThreshold, 0, "1.5 lies in the bucket (1, 2], which goes as a whole")
	assert.EqualValues(t, 1+2+3, a.ZeroCount)
	assert.Equal(t, datapoint.Buckets{Offset: 1, Counts: []uint64{1, 1, 1}}, a.Positive)
	assert.EqualValues(t, 9, a.Count)
}

// A point coarser than Prometheus has is read at its coarsest scale: each measurement stays below the same bound.
func TestACoarsePointSpoilsNoTotal(t *testing.T) {
	for scale := int32(datapoint.MinScale); scale < 0; scale++ {
		coarse := pmetric.NewExponentialHistogramDataPoint()
		coarse.SetScale(scale)
		coarse.SetCount(10)
		coarse.SetZeroCount(1)
		coarse.Positive().SetOffset(-1)
		coarse.Positive().BucketCounts().FromRaw([]uint64{2, 3})
		coarse.Negative().BucketCounts().FromRaw([]uint64{4})
		e, err := datapoint.FromExponential(coarse, 160)
		require.NoError(t, err)
		assert.EqualValues(t, max(scale, datapoint.CoarsestRead), e.Scale)
		var positive uint64
		for i, n := range e.Positive.Counts {
			if int(e.Positive.Offset)+i < 0 { // up to 1
				positive += n
			}
		}
		assert.EqualValues(t, 2, positive, "scale %d", scale)
		total := exponentialOf(5, 1, 2, 3)
		total.Add(e, 160)
		assert.GreaterOrEqual(t, total.Scale, int32(datapoint.CoarsestRead))
		assert.EqualValues(t, 13, total.Count)
		assert.LessOrEqual(t, len(total.Positive.Counts), 160)
	}
	widest := exponentialOf(0, math.SmallestNonzeroFloat64, math.MaxFloat64)
	widest.Reduce(160)
	assert.GreaterOrEqual(t, widest.Scale, int32(datapoint.CoarsestRead), "nothing that is read can become coarser")
}

// One without buckets has no say in the scale, whatever it tells: SDKs report 0 for a histogram of zeros.
func TestAScaleWithoutBucketsMeansNothing(t *testing.T) {
	zeros := exponentialOf(-3, 0, 0)
	for _, first := range []bool{false, true} {
		a, b := exponentialOf(5, 1, 2, 3), zeros
		if first {
			a, b = zeros, a
		}
		a.Add(b, 160)
		assert.EqualValues(t, 5, a.Scale)
		assert.EqualValues(t, 5, a.Count)
	}
}

// Prometheus takes a total whose scale rises, or whose zero bucket becomes narrower, for a restarted one, and counts its content once more. So
// neither happens, whatever is added in whatever order: zeros alone with a coarse scale first, zero thresholds narrower than the one that
// Prometheus writes for none.
func TestATotalNeverSeemsToBeginAgain(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 12))
		var total datapoint.Exponential
		scale, threshold := int32(datapoint.MaxScale), 0.0
		for range 12 {
			dp := pmetric.NewExponentialHistogramDataPoint()
			dp.SetScale(int32(rnd.IntN(32) - 11))
			dp.SetZeroThreshold([]float64{0, 0, 1e-300, 1e-200, 1e-9, 2}[rnd.IntN(6)])
			dp.SetZeroCount(rnd.Uint64N(3))
			dp.SetCount(dp.ZeroCount())
			if rnd.IntN(3) > 0 && dp.Scale() > datapoint.MinScale {
				dp.Positive().SetOffset(int32(rnd.IntN(3)))
				dp.Positive().BucketCounts().FromRaw([]uint64{1, 0, 1}[:1+2*rnd.IntN(2)])
				for _, n := range dp.Positive().BucketCounts().All() {
					dp.SetCount(dp.Count() + n)
				}
			}
			if rnd.IntN(2) == 0 {
				dp.SetSum(1)
			}
			e, err := datapoint.FromExponential(dp, 160)
			if err != nil {
				continue // too far out for its scale
			}
			total.Add(e, 160)
			if rnd.IntN(4) == 0 { // a restart
				var again datapoint.Exponential
				_, err := again.Decode(total.Append(nil))
				require.NoError(t, err)
				total = again
			}
			if total.Count == 0 && !total.HasSum {
				continue // nothing that could be counted twice
			}
			written := total.ZeroThreshold
			if written == 0 {
				written = 1e-128
			}
			require.LessOrEqual(t, total.Scale, scale, "seed %d", seed)
			require.GreaterOrEqual(t, written, threshold, "seed %d", seed)
			scale, threshold = total.Scale, written
		}
	}
}

func TestSwallows(t *testing.T) {
	a := exponentialOf(0, 0, 2, 4) // buckets (1, 2], (2, 4]
	for threshold, want := range map[float64]bool{0: false, 0.5: false, 1: false, 1.5: true, 1e300: true} {
		b := exponentialOf(0, 0)
		b.ZeroThreshold = threshold
		assert.Equal(t, want, a.Swallows(b), threshold)
		assert.Equal(t, want, b.Swallows(a), threshold)
	}
}

func TestExponentialSub(t *testing.T) {
	prev := exponentialOf(3, 1, 2, -3, 0)
	cur := exponentialOf(3, 1, 2, -3, 0, 2, 9)
	inc, fell := cur.Sub(prev)
	require.False(t, fell)
	want := exponentialOf(3, 2, 9)
	want.HasMin, want.HasMax, want.Min, want.Max = false, false, 0, 0
	assert.Equal(t, want, inc)

	coarser := exponentialOf(1, 1, 2, -3, 0, 2, 9)
	inc, fell = coarser.Sub(prev)
	require.False(t, fell, "a cumulative stream lowers its scale as it grows")
	assert.EqualValues(t, 1, inc.Scale)
	assert.EqualValues(t, 2, inc.Count)

	_, fell = exponentialOf(3, 1, 2, 5, 0, 7).Sub(prev)
	assert.True(t, fell, "the negative bucket fell though the count grew")
}

func TestFromExponentialRefusesContradictions(t *testing.T) {
	build := func(change func(pmetric.ExponentialHistogramDataPoint)) pmetric.ExponentialHistogramDataPoint {
		dp := pmetric.NewExponentialHistogramDataPoint()
		dp.SetCount(1)
		dp.Positive().BucketCounts().FromRaw([]uint64{1})
		change(dp)
		return dp
	}
	type point = pmetric.ExponentialHistogramDataPoint
	for name, change := range map[string]func(point){
		"count":              func(dp point) { dp.SetCount(2) },
		"scale too fine":     func(dp point) { dp.SetScale(21) },
		"scale too coarse":   func(dp point) { dp.SetScale(-12) },
		"beyond any float64": func(dp point) { dp.Positive().SetOffset(math.MaxInt32) },
		"below any float64":  func(dp point) { dp.Positive().SetOffset(-1076) },
		"negative threshold": func(dp point) { dp.SetZeroThreshold(-1) },
		"threshold is NaN":   func(dp point) { dp.SetZeroThreshold(math.NaN()) },
		"threshold infinite": func(dp point) { dp.SetZeroThreshold(math.Inf(1)) },
		"counts wrap": func(dp point) {
			dp.SetZeroCount(2)
			dp.Positive().BucketCounts().FromRaw([]uint64{math.MaxUint64})
		},
	} {
		_, err := datapoint.FromExponential(build(change), 160)
		require.ErrorIs(t, err, datapoint.ErrMalformed, name)
	}
	_, err := datapoint.FromExponential(build(func(point) {}), 160)
	require.NoError(t, err)
}

func TestSummary(t *testing.T) {
	dp := pmetric.NewSummaryDataPoint()
	dp.SetCount(3)
	dp.SetSum(6)
	dp.QuantileValues().AppendEmpty().SetQuantile(0.5)
	s := datapoint.FromSummary(dp)
	inc, fell := datapoint.Summary{Count: 5, Sum: 10}.Sub(s)
	assert.Equal(t, datapoint.Summary{Count: 2, Sum: 4}, inc)
	assert.False(t, fell)
	s.Add(inc)
	s.CopyTo(dp)
	assert.EqualValues(t, 5, dp.Count())
	assert.Zero(t, dp.QuantileValues().Len())
}

func TestAddExemplarsKeepsTheNewest(t *testing.T) {
	src, dst := pmetric.NewExemplarSlice(), pmetric.NewExemplarSlice()
	for _, at := range []int{5, 1, 4, 2, 3} {
		e := src.AppendEmpty()
		e.SetIntValue(int64(at))
		e.SetTimestamp(2000)
	}
	datapoint.AddExemplars(dst, src, 2)
	require.Equal(t, 2, dst.Len())
	assert.EqualValues(t, 5, dst.At(0).IntValue(), "equal times: the first stay")
	assert.EqualValues(t, 1, dst.At(1).IntValue())

	newer := pmetric.NewExemplarSlice()
	newer.AppendEmpty().SetTimestamp(3000)
	datapoint.AddExemplars(dst, newer, 2)
	require.Equal(t, 2, dst.Len())
	assert.EqualValues(t, 3000, dst.At(0).Timestamp())

	datapoint.AddExemplars(dst, newer, 0)
	assert.Equal(t, 2, dst.Len())
	none := pmetric.NewExemplarSlice()
	datapoint.AddExemplars(none, newer, 0)
	assert.Zero(t, none.Len())
}
