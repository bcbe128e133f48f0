package accumulate

import (
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/penstockhq/penstock/internal/datapoint"
)

// verdict says how an increase is added to a total.
type verdict struct {
	refused bool // the sum is not finite, or would not be
	// The total can't include it, and another total starts.
	rebounds, overflows bool
	noSum, sumNotFinite bool
}

// arithmetic is the set of operations for totals of a type.
type arithmetic[V any] struct {
	// sum leaves both unchanged.
	sum func(a, b V) V
	// judge may remove the sum of increase. first: there is no total yet.
	judge  func(total V, increase *V, first bool) verdict
	zeroed func(V) V // of the same shape, with all counts zero
	append func(V, []byte) []byte
	decode func(*V, []byte) ([]byte, error)
}

var numberArithmetic = arithmetic[datapoint.Number]{
	sum: datapoint.Number.Add,
	judge: func(total datapoint.Number, increase *datapoint.Number, _ bool) verdict {
		return verdict{refused: !increase.Finite() || !total.Add(*increase).Finite()}
	},
	zeroed: func(datapoint.Number) datapoint.Number { return datapoint.Number{} },
	append: datapoint.Number.Append,
	decode: (*datapoint.Number).Decode,
}

var histogramArithmetic = arithmetic[datapoint.Histogram]{
	sum: func(a, b datapoint.Histogram) (sum datapoint.Histogram) {
		sum.Add(a) // Add copies what it keeps, so a stays unchanged
		sum.Add(b)
		return sum
	},
	judge: func(total datapoint.Histogram, increase *datapoint.Histogram, first bool) verdict {
		v := judgeMoments(total.Moments, &increase.Moments)
		v.rebounds = !first && !slices.Equal(total.Bounds, increase.Bounds)
		return v
	},
	zeroed: func(h datapoint.Histogram) datapoint.Histogram {
		return datapoint.Histogram{Moments: datapoint.Moments{HasSum: h.HasSum}, Bounds: h.Bounds, Counts: make([]uint64, len(h.Counts))}
	},
	append: datapoint.Histogram.Append,
	decode: (*datapoint.Histogram).Decode,
}

var exponentialArithmetic = arithmetic[datapoint.Exponential]{
	sum: func(a, b datapoint.Exponential) (sum datapoint.Exponential) {
		sum.Add(a, maxBuckets)
		sum.Add(b, maxBuckets)
		return sum
	},
	judge: func(total datapoint.Exponential, increase *datapoint.Exponential, first bool) verdict {
		v := judgeMoments(total.Moments, &increase.Moments)
		v.rebounds = !first && total.Swallows(*increase) // a total's zero bucket never becomes narrower
		return v
	},
	zeroed: func(e datapoint.Exponential) datapoint.Exponential {
		return datapoint.Exponential{Moments: datapoint.Moments{HasSum: e.HasSum}, Scale: e.Scale, ZeroThreshold: e.ZeroThreshold}
	},
	append: datapoint.Exponential.Append,
	decode: (*datapoint.Exponential).Decode,
}

func judgeMoments(total datapoint.Moments, increase *datapoint.Moments) (v verdict) {
	v.sumNotFinite = increase.FiniteSum()
	if sum := total.Sum + increase.Sum; sum-sum != 0 {
		increase.HasSum, increase.Sum, v.sumNotFinite = false, 0, true
	}
	v.noSum = !v.sumNotFinite && total.Gap(*increase)
	v.overflows = total.Overflows(*increase)
	if total.HasSum && !increase.HasSum { // so that the sum continues, even if the total restarts
		increase.HasSum, increase.Sum = true, 0
	}
	return v
}

// markOf returns a hash of the properties by which a repeated point is recognized among the points of a stream; never 0.
func markOf[V any](a *application, f *family[V], start, at int64, value V) uint64 {
	b := binary.LittleEndian.AppendUint64(a.scratch[:0], uint64(start))
	a.scratch = f.append(value, binary.LittleEndian.AppendUint64(b, uint64(at)))
	return max(xxh3.Hash(a.scratch), 1)
}
