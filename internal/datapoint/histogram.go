package datapoint

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// ErrMalformed is wrapped by the From functions' errors: the point contradicts
// itself, so no part of it can be trusted.
var ErrMalformed = errors.New("malformed data point")

// Moments is what histograms know beside their buckets.
type Moments struct {
	Count uint64
	Sum   float64 // 0 unless HasSum
	Min   float64 // 0 unless HasMin
	Max   float64 // 0 unless HasMax

	HasSum, HasMin, HasMax bool
}

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
	if m.HasSum = m.HasSum && o.HasSum; m.HasSum {
		m.Sum += o.Sum
	} else {
		m.Sum = 0
	}
	m.Count += o.Count
}

// sub leaves min and max out: those of a cumulative point are those of the whole
// run, and say nothing about the time since prev. A sum may fall, as with negative
// measurements; a count may not.
func (m Moments) sub(prev Moments) (inc Moments, fell bool) {
	inc = Moments{Count: m.Count - prev.Count, HasSum: m.HasSum && prev.HasSum}
	if inc.HasSum {
		inc.Sum = m.Sum - prev.Sum
	}
	return inc, m.Count < prev.Count
}

// Histogram is a histogram with explicit bounds. Bucket i counts what lies in
// (Bounds[i-1], Bounds[i]]; the first and the last are open to infinity.
// len(Counts) is len(Bounds)+1, or 0 in the zero value, which is empty.
type Histogram struct {
	Moments
	Bounds []float64 // ascending, no NaN
	Counts []uint64
}

// FromHistogram copies dp. A point without buckets becomes one bucket from minus
// to plus infinity. Malformed: numbers of bounds and buckets that don't fit, bounds
// that don't ascend, buckets that don't add up to the count.
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
	if total := sum(h.Counts); total != h.Count {
		return Histogram{}, fmt.Errorf("%w: buckets hold %d of %d", ErrMalformed, total, h.Count)
	}
	return h, nil
}

// Add merges o into h, and copies what it keeps. Differing bounds are cut down to
// those that both have: counts stay exact, resolution is lost, and coarsened is
// true. It is the only cut for which the order of merging makes no difference.
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
		common := intersect(h.Bounds, o.Bounds)
		h.Counts, o.Counts = coarsen(h.Bounds, h.Counts, common), coarsen(o.Bounds, o.Counts, common)
		h.Bounds, coarsened = common, true
	}
	for i, c := range o.Counts {
		h.Counts[i] += c
	}
	return coarsened
}

// Sub returns the increase since prev, an earlier value of the same stream. fell is
// true if the count or a bucket is below what it was. ok is false if the bounds
// differ: then the increase can't be known, and h can only be a new baseline.
func (h Histogram) Sub(prev Histogram) (inc Histogram, fell, ok bool) {
	if len(prev.Counts) == 0 {
		return h.clone(), false, true
	}
	if !slices.Equal(h.Bounds, prev.Bounds) {
		return Histogram{}, h.Count < prev.Count, false
	}
	inc.Moments, fell = h.Moments.sub(prev.Moments)
	inc.Bounds, inc.Counts = slices.Clone(h.Bounds), make([]uint64, len(h.Counts))
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

func intersect(a, b []float64) []float64 {
	var common []float64
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			common = append(common, a[i])
			i, j = i+1, j+1
		}
	}
	return common
}

// coarsen adds up the buckets between those bounds that are also in common.
func coarsen(bounds []float64, counts []uint64, common []float64) []uint64 {
	out := make([]uint64, len(common)+1)
	j := 0
	for i, c := range counts {
		out[j] += c
		if i < len(bounds) && j < len(common) && bounds[i] == common[j] {
			j++
		}
	}
	return out
}

func sum(counts []uint64) (total uint64) {
	for _, c := range counts {
		total += c
	}
	return total
}
