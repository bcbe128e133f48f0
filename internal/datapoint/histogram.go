package datapoint

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// ErrMalformed is wrapped by the From functions' errors: the point contradicts itself, so no part of it is usable.
var ErrMalformed = errors.New("malformed data point")

// Moments are a histogram's values other than its buckets.
type Moments struct {
	Count uint64
	Sum   float64 // 0 unless HasSum
	Min   float64 // 0 unless HasMin
	Max   float64 // 0 unless HasMax

	HasSum, HasMin, HasMax bool
}

// add keeps the sum of the values with a sum, and the minimum and maximum only if both values have them.
func (m *Moments) add(o Moments) {
	if m.Count == 0 && !m.HasSum && !m.HasMin && !m.HasMax {
		*m = o
		return
	}
	if o.Count == 0 && !o.HasSum && !o.HasMin && !o.HasMax {
		return
	}
	if m.HasMin = m.HasMin && o.HasMin; m.HasMin {
		m.Min = min(m.Min, o.Min)
	} else {
		m.Min = 0
	}
	if m.HasMax = m.HasMax && o.HasMax; m.HasMax {
		m.Max = max(m.Max, o.Max)
	} else {
		m.Max = 0
	}
	m.HasSum, m.Sum = m.HasSum || o.HasSum, m.Sum+o.Sum
	m.Count += o.Count
}

// Gap says that one of m and o has a sum, and the other has measurements but no sum: the sum of both together lacks those.
func (m Moments) Gap(o Moments) bool {
	return m.HasSum != o.HasSum && m.Count > 0 && o.Count > 0
}

// Overflows says that the counts of m and o together exceed 64 bits.
func (m Moments) Overflows(o Moments) bool { return m.Count+o.Count < m.Count }

// FiniteSum drops a sum that is not finite, which would make every total infinite, and says whether it did.
func (m *Moments) FiniteSum() (dropped bool) {
	if !m.HasSum || m.Sum-m.Sum == 0 {
		return false
	}
	m.HasSum, m.Sum = false, 0
	return true
}

// Carry sets the sum of m, the later value of a cumulative run, to that of prev if m has none: so the next point with a sum brings the increase
// since prev.
func (m *Moments) Carry(prev Moments) {
	if !m.HasSum && prev.HasSum {
		m.HasSum, m.Sum = true, prev.Sum
	}
}

// sub omits min and max: those of a cumulative point are about the whole run, and say nothing about the time since prev, unless nothing was
// measured before. A sum may fall, as with negative measurements; a count may not.
func (m Moments) sub(prev Moments) (inc Moments, fell bool) {
	inc = Moments{Count: m.Count - prev.Count, HasSum: m.HasSum && (prev.HasSum || prev.Count == 0)}
	if inc.HasSum {
		inc.Sum = m.Sum - prev.Sum
	}
	if prev.Count == 0 {
		inc.Min, inc.HasMin, inc.Max, inc.HasMax = m.Min, m.HasMin, m.Max, m.HasMax
	}
	return inc, m.Count < prev.Count
}

// MaxBounds is the largest number of bounds of a merged histogram.
const MaxBounds = 512

// Histogram is a histogram with explicit bounds. Bucket i counts the values in (Bounds[i-1], Bounds[i]]; the first and the last are unbounded.
// len(Counts) is len(Bounds)+1, or 0 in the zero value, which is empty.
type Histogram struct {
	Moments
	Bounds []float64 // ascending, no NaN
	Counts []uint64
}

// FromHistogram copies dp. A point without buckets becomes one bucket from minus to plus infinity. Malformed: numbers of bounds and buckets that
// don't match, bounds that don't ascend, buckets that don't add up to the count.
func FromHistogram(dp pmetric.HistogramDataPoint) (Histogram, error) {
	h := Histogram{
		Moments: Moments{
			Count: dp.Count(), Sum: dp.Sum(), Min: dp.Min(), Max: dp.Max(),
			HasSum: dp.HasSum(), HasMin: dp.HasMin(), HasMax: dp.HasMax(),
		},
	}
	bounds, counts := dp.ExplicitBounds(), dp.BucketCounts()
	if bounds.Len() == 0 && counts.Len() == 0 {
		h.Counts = []uint64{h.Count}
		return h, nil
	}
	if counts.Len() != bounds.Len()+1 {
		return Histogram{}, fmt.Errorf("%w: %d bounds with %d buckets", ErrMalformed, bounds.Len(), counts.Len())
	}
	h.Bounds, h.Counts = bounds.AsRaw(), counts.AsRaw()
	for i, b := range h.Bounds {
		if math.IsNaN(b) || i > 0 && b <= h.Bounds[i-1] {
			return Histogram{}, fmt.Errorf("%w: bound %v at %d does not ascend", ErrMalformed, b, i)
		}
	}
	if total, ok := exactSum(h.Counts); !ok || total != h.Count {
		return Histogram{}, fmt.Errorf("%w: buckets hold %d of %d", ErrMalformed, total, h.Count)
	}
	return h, nil
}

// Add merges o into h, and copies what it keeps. If the bounds differ, the result has the bounds of both, and every measurement stays in the bucket
// with the same upper bound: the count below a bound is the number of measurements that are known to be below it. So the order of merging makes no
// difference, and nothing is lost, up to MaxBounds bounds. Past them h keeps its own bounds, a measurement goes to the next one above, and
// coarsened is true.
func (h *Histogram) Add(o Histogram) (coarsened bool) {
	if len(o.Counts) == 0 {
		return false
	}
	if len(h.Counts) == 0 {
		h.Moments, h.Bounds, h.Counts = o.Moments, slices.Clone(o.Bounds), slices.Clone(o.Counts)
		return false
	}
	h.Moments.add(o.Moments)
	if !slices.Equal(h.Bounds, o.Bounds) {
		all := union(h.Bounds, o.Bounds)
		if coarsened = len(all) > MaxBounds; coarsened {
			all = h.Bounds
		}
		h.Counts, o.Counts = spread(h.Bounds, h.Counts, all), spread(o.Bounds, o.Counts, all)
		h.Bounds = all
	}
	for i, c := range o.Counts {
		h.Counts[i] += c
	}
	return coarsened
}

// Sub returns the increase since prev, an earlier value of the same stream. fell is true if the count or a bucket is less than before. ok is false
// if the bounds differ: then count and sum of the increase are known, but not the distribution of its measurements, so all are in the last bucket.
func (h Histogram) Sub(prev Histogram) (inc Histogram, fell, ok bool) {
	if len(prev.Counts) == 0 {
		return h.clone(), false, true
	}
	inc.Moments, fell = h.Moments.sub(prev.Moments)
	inc.Bounds, inc.Counts = slices.Clone(h.Bounds), make([]uint64, len(h.Counts))
	if !slices.Equal(h.Bounds, prev.Bounds) {
		inc.Counts[len(inc.Counts)-1] = inc.Count
		return inc, fell, false
	}
	for i := range h.Counts {
		inc.Counts[i] = h.Counts[i] - prev.Counts[i]
		fell = fell || h.Counts[i] < prev.Counts[i]
	}
	return inc, fell, true
}

// CopyTo sets count, sum, min, max, bounds and buckets of dp.
func (h Histogram) CopyTo(dp pmetric.HistogramDataPoint) {
	dp.SetCount(h.Count)
	dp.RemoveSum()
	dp.RemoveMin()
	dp.RemoveMax()
	if h.HasSum {
		dp.SetSum(h.Sum)
	}
	if h.HasMin {
		dp.SetMin(h.Min)
	}
	if h.HasMax {
		dp.SetMax(h.Max)
	}
	dp.ExplicitBounds().FromRaw(h.Bounds)
	dp.BucketCounts().FromRaw(h.Counts)
}

func (h Histogram) clone() Histogram {
	h.Bounds, h.Counts = slices.Clone(h.Bounds), slices.Clone(h.Counts)
	return h
}

// union returns the bounds that are in a or in b.
func union(a, b []float64) []float64 {
	all := make([]float64, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			all, a = append(all, a[0]), a[1:]
		case a[0] > b[0]:
			all, b = append(all, b[0]), b[1:]
		default:
			all, a, b = append(all, a[0]), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// spread puts the buckets between bounds into the buckets between all: each into the first that ends at its upper bound or above.
func spread(bounds []float64, counts []uint64, all []float64) []uint64 {
	out := make([]uint64, len(all)+1)
	j := 0
	for i, c := range counts {
		for j < len(all) && (i >= len(bounds) || all[j] < bounds[i]) {
			j++
		}
		out[j] += c
	}
	return out
}

func sum(counts []uint64) (total uint64) {
	for _, c := range counts {
		total += c
	}
	return total
}

// exactSum is the sum; ok is false if it exceeds 64 bits.
func exactSum(counts []uint64) (total uint64, ok bool) {
	for _, c := range counts {
		if total += c; total < c {
			return total, false
		}
	}
	return total, true
}
