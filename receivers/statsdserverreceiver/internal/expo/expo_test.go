package expo_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/expo"
)

func total(c expo.Counts) (n uint64) {
	for _, b := range []expo.Buckets{c.Positive, c.Negative} {
		for _, count := range b.Counts {
			n += count
		}
	}
	return n + c.Zero
}

// A hundred observations with a rate of 0.7 are 142.86; one in each of a hundred intervals are 143 in the end.
func TestWeightsAreNotRounded(t *testing.T) {
	h := expo.New(160)
	for range 100 {
		require.True(t, h.Add(320, 1/0.7))
	}
	c, carry := h.Counts(0)
	assert.Equal(t, uint64(143), c.Count)
	assert.InDelta(t, 100/0.7, float64(c.Count)+carry, 1e-6)
	assert.InDelta(t, 320*100/0.7, c.Sum, 1e-6)

	sum := uint64(0)
	carry = 0
	for range 100 {
		h := expo.New(160)
		h.Add(320, 1/0.7)
		c, carry = h.Counts(carry)
		assert.Positive(t, c.Count)
		sum += c.Count
	}
	assert.Equal(t, uint64(143), sum)
}

// Every value is in its bucket, there are at most size buckets, and no count is lost, whatever the values.
func TestBucketsHoldTheirValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for world := range 300 {
		size := 2 + random.IntN(200)
		h := expo.New(size)
		var values []float64
		for range 1 + random.IntN(300) {
			v := math.Exp(random.NormFloat64() * float64(world%40))
			switch random.IntN(6) {
			case 0:
				v = -v
			case 1:
				v = math.Ldexp(1, random.IntN(40)-20) // the end of a bucket
			case 2:
				v = 0
			}
			values = append(values, v)
			require.True(t, h.Add(v, 1))
		}
		c, carry := h.Counts(0)
		assert.Zero(t, carry)
		assert.Equal(t, uint64(len(values)), c.Count)
		assert.Equal(t, c.Count, total(c))
		assert.LessOrEqual(t, len(c.Positive.Counts), size)
		assert.LessOrEqual(t, len(c.Negative.Counts), size)
		for _, sign := range []float64{1, -1} {
			b := c.Positive
			if sign < 0 {
				b = c.Negative
			}
			for k, n := range b.Counts {
				low, high := bound(b.Offset+k, c.Scale), bound(b.Offset+k+1, c.Scale)
				in := uint64(0)
				for _, v := range values {
					if v*sign > low*(1-1e-9) && v*sign <= high*(1+1e-9) {
						in++
					}
				}
				assert.LessOrEqual(t, n, in)
			}
		}
	}
}

func bound(i, scale int) float64 { return math.Exp2(math.Ldexp(float64(i), -scale)) }

// Two merged halves equal one histogram of everything.
func TestMerge(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		whole, a, b := expo.New(40), expo.New(40), expo.New(40)
		for range random.IntN(60) {
			v, w := random.NormFloat64()*math.Exp(random.NormFloat64()*3), 1/(0.1+0.9*random.Float64())
			whole.Add(v, w)
			[]*expo.Histogram{a, b}[random.IntN(2)].Add(v, w)
		}
		a.Merge(b)
		got, carryGot := a.Counts(0)
		want, carryWant := whole.Counts(0)
		assert.InDelta(t, want.Sum, got.Sum, 1e-6*(1+math.Abs(want.Sum)))
		assert.InDelta(t, float64(want.Count)+carryWant, float64(got.Count)+carryGot, 1e-6)
		assert.Equal(t, want.Minimum, got.Minimum)
		assert.Equal(t, want.Maximum, got.Maximum)
		assert.LessOrEqual(t, got.Scale, want.Scale+1)
	}
}

func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	h := expo.New(1280)
	var values []float64
	for range 5000 {
		v := math.Exp(random.NormFloat64() * 2)
		if random.IntN(3) == 0 {
			v = -v
		}
		values = append(values, v)
		h.Add(v, 4)
	}
	slices.Sort(values)
	for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.99, 1} {
		want := values[min(int(q*5000), 4999)]
		assert.InEpsilon(t, want, h.Quantile(q), 0.02, "%v", q)
	}
	assert.Equal(t, values[0], h.Quantile(0))
}

func TestExtremes(t *testing.T) {
	h := expo.New(160)
	for _, v := range []float64{math.SmallestNonzeroFloat64, math.MaxFloat64, 1} {
		require.True(t, h.Add(v, 1))
	}
	assert.False(t, h.Add(math.MaxFloat64, 1), "the sum would be infinite")
	c, _ := h.Counts(0)
	assert.Equal(t, uint64(3), c.Count)
	assert.LessOrEqual(t, len(c.Positive.Counts), 160)
}

func Example() {
	h := expo.New(160)
	h.Add(320, 1/0.1) // 320|ms|@0.1
	h.Add(310, 1/0.1)
	c, _ := h.Counts(0)
	fmt.Println(c.Count, c.Sum, h.Quantile(1))
	// Output: 20 6300 320
}

func BenchmarkAdd(b *testing.B) {
	h := expo.New(160)
	b.ReportAllocs()
	v := 1.0
	for b.Loop() {
		h.Add(v, 1)
		if v *= 1.01; v > 1000 {
			v = 1
		}
	}
}
