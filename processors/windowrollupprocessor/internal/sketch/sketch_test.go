package sketch_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/sketch"
)

func numbers(rnd *rand.Rand, n int) []float64 {
	kind := rnd.IntN(4)
	out := make([]float64, n)
	for i := range out {
		switch kind {
		case 0:
			out[i] = math.Exp(rnd.NormFloat64()*2 - 3) // like latencies
		case 1:
			out[i] = rnd.NormFloat64() * 100 // both signs
		case 2:
			out[i] = float64(rnd.IntN(5)) // few, zero, powers of two
		default:
			out[i] = math.Ldexp(rnd.Float64()-0.5, rnd.IntN(600)-300) // everything
		}
	}
	return out
}

// Quantiles of any data are within the stated error of the exact one, also after merging in pieces.
func TestQuantileWithinStatedError(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		data := numbers(rnd, 1+rnd.IntN(500))
		var whole sketch.Sketch
		parts := make([]sketch.Sketch, 1+rnd.IntN(5))
		for _, v := range data {
			parts[rnd.IntN(len(parts))].Add(v, 1, sketch.DefaultMaxBuckets)
		}
		for i := range parts {
			whole.Merge(&parts[i], sketch.DefaultMaxBuckets)
		}
		slices.Sort(data)
		require.LessOrEqual(t, whole.Error(), sketch.MaxRelativeError)
		for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
			exact := data[int(q*float64(len(data)-1))]
			require.InDelta(t, exact, whole.Quantile(q), math.Abs(exact)*sketch.MaxRelativeError*1.0000001, "seed %d q %v", seed, q)
		}
	}
}

// Whatever the order and the grouping, the bytes are the same, and as if nothing had been merged.
func TestOrderMakesNoDifference(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		data := numbers(rnd, 1+rnd.IntN(300))
		maxBuckets := 8 + rnd.IntN(100)
		build := func() *sketch.Sketch {
			parts := make([]sketch.Sketch, 1+rnd.IntN(6))
			for _, i := range rnd.Perm(len(data)) {
				parts[rnd.IntN(len(parts))].Add(data[i], 1, maxBuckets)
			}
			for len(parts) > 1 {
				i := rnd.IntN(len(parts) - 1)
				parts[i].Merge(&parts[len(parts)-1], maxBuckets)
				parts = parts[:len(parts)-1]
			}
			return &parts[0]
		}
		a, b := build(), build()
		require.LessOrEqual(t, a.Len(), maxBuckets)
		require.EqualValues(t, len(data), a.Count())
		require.Equal(t, a.Append(nil), b.Append(nil), "seed %d", seed)

		var back sketch.Sketch
		rest, err := back.Decode(append(a.Append(nil), 'x'))
		require.NoError(t, err)
		require.Equal(t, "x", string(rest))
		require.Equal(t, a.Append(nil), back.Append(nil))

		e := a.Exponential(160)
		require.LessOrEqual(t, max(len(e.Positive.Counts), len(e.Negative.Counts)), 160)
		total := e.ZeroCount
		for _, n := range append(slices.Clone(e.Positive.Counts), e.Negative.Counts...) {
			total += n
		}
		require.EqualValues(t, len(data), total)
	}
}

// A histogram that is read into a sketch and written again is the same histogram.
func TestExponentialRoundTrip(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var s, back sketch.Sketch
		for _, v := range numbers(rnd, 1+rnd.IntN(200)) {
			s.Add(v, 1, sketch.DefaultMaxBuckets)
		}
		e := s.Exponential(1 << 18)
		back.AddExponential(e, sketch.DefaultMaxBuckets)
		require.Equal(t, s.Append(nil), back.Append(nil), "seed %d", seed)
		coarse := s.Exponential(20)
		var fromCoarse sketch.Sketch
		fromCoarse.AddExponential(coarse, sketch.DefaultMaxBuckets)
		require.Equal(t, coarse, fromCoarse.Exponential(20), "seed %d", seed)
		// A coarse histogram added to a fine sketch coarsens it, in either order.
		var x, y sketch.Sketch
		x.Merge(&s, sketch.DefaultMaxBuckets)
		y.Merge(&fromCoarse, sketch.DefaultMaxBuckets)
		x.Merge(&fromCoarse, sketch.DefaultMaxBuckets)
		y.Merge(&s, sketch.DefaultMaxBuckets)
		require.Equal(t, x.Append(nil), y.Append(nil), "seed %d", seed)
	}
}

func TestExtremes(t *testing.T) {
	var s sketch.Sketch
	for _, v := range []float64{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 0, math.Copysign(0, -1)} {
		s.Add(v, 1, sketch.DefaultMaxBuckets)
	}
	assert.InEpsilon(t, -math.MaxFloat64, s.Quantile(0), sketch.MaxRelativeError)
	assert.Zero(t, s.Quantile(0.25))
	assert.False(t, math.IsInf(s.Quantile(1), 0))
	assert.True(t, math.IsNaN(new(sketch.Sketch).Quantile(0.5)))
	s.Add(1, math.MaxUint64, sketch.DefaultMaxBuckets)
	assert.InEpsilon(t, 1, s.Quantile(0.5), sketch.MaxRelativeError, "a count that saturates keeps the quantile")
}

func FuzzDecode(f *testing.F) {
	var s sketch.Sketch
	s.Add(1, 1, 100)
	s.Add(-5, 2, 100)
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, o sketch.Sketch
		if _, err := s.Decode(b); err != nil {
			return
		}
		o.Add(3, 1, 100)
		o.Merge(&s, 100)
		o.Quantile(0.5)
		if e := o.Exponential(160); len(e.Positive.Counts) > 160 {
			t.Fatal("too many buckets")
		}
	})
}

func Example() {
	var a, b sketch.Sketch
	for i := range 1000 {
		a.Add(float64(i), 1, sketch.DefaultMaxBuckets)
		b.Add(float64(i+1000), 1, sketch.DefaultMaxBuckets)
	}
	a.Merge(&b, sketch.DefaultMaxBuckets)
	fmt.Printf("p50 %.0f, p99 %.0f, within %.1f %%\n", a.Quantile(0.5), a.Quantile(0.99), 100*a.Error())
	// Output: p50 997, p99 1972, within 0.5 %
}
