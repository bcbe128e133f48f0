package datapoint

import (
	"fmt"
	"math"
	"slices"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

const (
	// MinScale is the coarsest scale: one bucket spans a factor of 2^2048, so any
	// float64 fits into two buckets.
	MinScale = -11
	// MaxScale is the finest scale that is accepted, as in the OTLP data model.
	MaxScale = 20
	// CoarsestRead is the coarsest scale at which a point is read: Prometheus has no coarser one, and a total that adopted it would keep it. At
	// this scale 132 buckets cover every float64.
	CoarsestRead = -4
	// narrowestZero is the zero threshold that Prometheus writes for points without one. A narrower threshold is read as none: otherwise the zero
	// bucket of a total would become narrower, which Prometheus takes for a counter reset.
	narrowestZero = 1e-128
	// DefaultMaxBuckets is the number of buckets per sign that OpenTelemetry SDKs use.
	DefaultMaxBuckets = 160
	// minBuckets is the number of buckets at MinScale.
	minBuckets = 2
)

// Buckets is one sign of an exponential histogram: Counts[i] counts the values in (base^(Offset+i), base^(Offset+i+1)], where base is 2^(2^-scale).
// The first and the last count are not zero; without counts, Offset is 0.
type Buckets struct {
	Offset int32
	Counts []uint64
}

// Exponential is an exponential histogram. The zero value is empty.
type Exponential struct {
	Moments
	Scale         int32
	ZeroCount     uint64
	ZeroThreshold float64
	Positive      Buckets
	Negative      Buckets
}

// FromExponential copies dp, reduced to at most maxBuckets per sign (see [Exponential.Reduce]). If a point is coarser than [CoarsestRead], each
// bucket becomes the bucket of that scale that ends at its upper bound. A point without buckets has the finest scale, and a zero threshold below
// 1e-128 counts as none. Malformed: a scale outside [MinScale, MaxScale], buckets beyond the range of a float64, a negative zero threshold, buckets
// that don't add up to the count.
func FromExponential(dp pmetric.ExponentialHistogramDataPoint, maxBuckets int) (Exponential, error) {
	e := Exponential{
		Moments: Moments{
			Count: dp.Count(), Sum: dp.Sum(), Min: dp.Min(), Max: dp.Max(),
			HasSum: dp.HasSum(), HasMin: dp.HasMin(), HasMax: dp.HasMax(),
		},
		Scale: dp.Scale(), ZeroCount: dp.ZeroCount(), ZeroThreshold: dp.ZeroThreshold(),
	}
	if e.Scale < MinScale || e.Scale > MaxScale {
		return Exponential{}, fmt.Errorf("%w: scale %d", ErrMalformed, e.Scale)
	}
	if !(e.ZeroThreshold >= 0) || math.IsInf(e.ZeroThreshold, 1) {
		return Exponential{}, fmt.Errorf("%w: zero threshold %v", ErrMalformed, e.ZeroThreshold)
	}
	var err error
	if e.Positive, err = fromBuckets(dp.Positive(), e.Scale); err != nil {
		return Exponential{}, err
	}
	if e.Negative, err = fromBuckets(dp.Negative(), e.Scale); err != nil {
		return Exponential{}, err
	}
	positive, ok1 := exactSum(e.Positive.Counts)
	negative, ok2 := exactSum(e.Negative.Counts)
	if total, ok := exactSum([]uint64{e.ZeroCount, positive, negative}); !ok || !ok1 || !ok2 || total != e.Count {
		return Exponential{}, fmt.Errorf("%w: buckets hold %d of %d", ErrMalformed, total, e.Count)
	}
	if by := CoarsestRead - e.Scale; by > 0 {
		e.Scale, e.Positive, e.Negative = CoarsestRead, e.Positive.refined(by), e.Negative.refined(by)
	}
	if e.ZeroThreshold < narrowestZero {
		e.ZeroThreshold = 0
	}
	e.unscale()
	e.Reduce(maxBuckets)
	return e, nil
}

func fromBuckets(src pmetric.ExponentialHistogramDataPointBuckets, scale int32) (Buckets, error) {
	counts := src.BucketCounts()
	lo, hi := 0, counts.Len()
	for lo < hi && counts.At(lo) == 0 {
		lo++
	}
	for hi > lo && counts.At(hi-1) == 0 {
		hi--
	}
	if lo == hi {
		return Buckets{}, nil
	}
	first, last := int64(src.Offset())+int64(lo), int64(src.Offset())+int64(hi-1)
	// 2^-1074 is the smallest float64 above zero, 2^1024 is above the largest.
	if least, most := shift(-1075, scale), shift(1024, scale); first < least || last > most {
		return Buckets{}, fmt.Errorf("%w: buckets %d to %d at scale %d", ErrMalformed, first, last, scale)
	}
	b := Buckets{Offset: int32(first), Counts: make([]uint64, hi-lo)}
	for i := range b.Counts {
		b.Counts[i] = counts.At(lo + i)
	}
	return b, nil
}

// shift returns exponent * 2^scale, rounded down.
func shift(exponent int64, scale int32) int64 {
	if scale < 0 {
		return exponent >> -scale
	}
	return exponent << scale
}

// Add merges o into e and keeps at most maxBuckets per sign (at least 2, see [Exponential.Reduce]). The result has the smaller scale (a value
// without buckets does not count) and the larger zero threshold, and with equal thresholds does not depend on the order of merging. Unless e is
// empty, its scale never rises and its threshold never falls: Prometheus would take either for a counter reset.
func (e *Exponential) Add(o Exponential, maxBuckets int) {
	if e.empty() {
		*e, o = o.clone(), Exponential{}
		e.unscale()
	}
	if o.empty() {
		e.Reduce(maxBuckets)
		return
	}
	o = align(e, o)
	// Both are aligned, but far apart they may span more than fits into memory: reduce by the joint span first, allocate afterwards.
	by := max(reduction(maxBuckets, e.Positive, o.Positive), reduction(maxBuckets, e.Negative, o.Negative))
	e.downscale(by)
	o.downscale(by)
	e.Positive.add(o.Positive)
	e.Negative.add(o.Negative)
	e.ZeroCount += o.ZeroCount
	e.Moments.add(o.Moments)
}

// Sub returns the increase since prev, an earlier value of the same stream, at the coarser of both scales. fell is true if a count is less than
// before: then the increase is not usable.
func (e Exponential) Sub(prev Exponential) (inc Exponential, fell bool) {
	if prev.empty() {
		return e.clone(), false
	}
	inc = e.clone()
	prev = align(&inc, prev)
	var fellMoments, fellPositive, fellNegative bool
	inc.Moments, fellMoments = e.Moments.sub(prev.Moments)
	inc.Positive, fellPositive = inc.Positive.sub(prev.Positive)
	inc.Negative, fellNegative = inc.Negative.sub(prev.Negative)
	fell = fellMoments || fellPositive || fellNegative || inc.ZeroCount < prev.ZeroCount
	inc.ZeroCount -= prev.ZeroCount
	return inc, fell
}

// Reduce lowers the scale until each sign has at most maxBuckets (at least 2).
// Every step down joins neighbouring buckets in pairs, and squares the base.
func (e *Exponential) Reduce(maxBuckets int) {
	e.downscale(max(reduction(maxBuckets, e.Positive, Buckets{}), reduction(maxBuckets, e.Negative, Buckets{})))
}

// CopyTo sets count, sum, min, max, scale, zero count and threshold, and buckets.
func (e Exponential) CopyTo(dp pmetric.ExponentialHistogramDataPoint) {
	dp.SetCount(e.Count)
	dp.RemoveSum()
	dp.RemoveMin()
	dp.RemoveMax()
	if e.HasSum {
		dp.SetSum(e.Sum)
	}
	if e.HasMin {
		dp.SetMin(e.Min)
	}
	if e.HasMax {
		dp.SetMax(e.Max)
	}
	dp.SetScale(e.Scale)
	dp.SetZeroCount(e.ZeroCount)
	dp.SetZeroThreshold(e.ZeroThreshold)
	e.Positive.copyTo(dp.Positive())
	e.Negative.copyTo(dp.Negative())
}

func (e Exponential) total() uint64 {
	return e.ZeroCount + sum(e.Positive.Counts) + sum(e.Negative.Counts)
}

func (e Exponential) empty() bool { return e.Count == 0 && !e.HasSum }

// bare says that e has no bucket except the zero bucket: its scale means nothing.
func (e Exponential) bare() bool { return len(e.Positive.Counts)+len(e.Negative.Counts) == 0 }

// unscale gives e the finest scale if its scale means nothing, so that no addition raises a scale.
func (e *Exponential) unscale() {
	if e.bare() {
		e.Scale = MaxScale
	}
}

// Swallows says whether adding o to e would move counts of either into the zero bucket that the other's threshold widens.
func (e Exponential) Swallows(o Exponential) bool {
	return e.beginsBelow(o.ZeroThreshold) || o.beginsBelow(e.ZeroThreshold)
}

// beginsBelow says whether a bucket of e begins below threshold, and e's own zero bucket ends there.
func (e Exponential) beginsBelow(threshold float64) bool {
	if threshold <= e.ZeroThreshold {
		return false
	}
	for _, b := range [...]Buckets{e.Positive, e.Negative} {
		if len(b.Counts) > 0 && lowerBound(b.Offset, e.Scale) < threshold {
			return true
		}
	}
	return false
}

func (e Exponential) clone() Exponential {
	e.Positive.Counts = slices.Clone(e.Positive.Counts)
	e.Negative.Counts = slices.Clone(e.Negative.Counts)
	return e
}

// align brings e and a copy of o, which it returns, to the smaller scale and to the same zero threshold.
func align(e *Exponential, o Exponential) Exponential {
	o = o.clone()
	switch d := e.Scale - o.Scale; {
	case o.bare():
		o.Scale = e.Scale
	case d > 0:
		e.downscale(d)
	default:
		o.downscale(-d)
	}
	// Widening one zero bucket may include a whole bucket, and so pass the other's threshold; each round includes at least one bucket, so the loop
	// ends.
	for e.ZeroThreshold != o.ZeroThreshold {
		if e.ZeroThreshold < o.ZeroThreshold {
			e.widenZero(o.ZeroThreshold)
		} else {
			o.widenZero(e.ZeroThreshold)
		}
	}
	return o
}

// widenZero moves every bucket that begins below threshold into the zero bucket, whose threshold becomes at least that, or the end of the last such
// bucket with a count.
func (e *Exponential) widenZero(threshold float64) {
	e.ZeroThreshold = threshold
	for _, b := range []*Buckets{&e.Positive, &e.Negative} {
		n := 0
		for n < len(b.Counts) && lowerBound(b.Offset+int32(n), e.Scale) < e.ZeroThreshold {
			if b.Counts[n] > 0 {
				e.ZeroCount += b.Counts[n]
				e.ZeroThreshold = max(e.ZeroThreshold, lowerBound(b.Offset+int32(n)+1, e.Scale))
			}
			n++
		}
		*b = Buckets{Offset: b.Offset + int32(n), Counts: b.Counts[n:]}.trim()
	}
}

// lowerBound returns base^index, capped at the largest float64.
func lowerBound(index, scale int32) float64 {
	return min(math.Exp2(math.Ldexp(float64(index), int(-scale))), math.MaxFloat64)
}

// reduction returns by how much the scale must fall so that both together fit into maxBuckets.
func reduction(maxBuckets int, a, b Buckets) (by int32) {
	maxBuckets = max(maxBuckets, minBuckets)
	lo, hi, any := int64(math.MaxInt64), int64(math.MinInt64), false
	for _, x := range [...]Buckets{a, b} {
		if len(x.Counts) > 0 {
			lo, hi, any = min(lo, int64(x.Offset)), max(hi, int64(x.Offset)+int64(len(x.Counts))-1), true
		}
	}
	for any && hi-lo >= int64(maxBuckets) {
		lo, hi, by = lo>>1, hi>>1, by+1
	}
	return by
}

func (e *Exponential) downscale(by int32) {
	if by == 0 {
		return
	}
	e.Scale -= by
	e.Positive.downscale(by)
	e.Negative.downscale(by)
}

// refined returns b at a scale finer by that much: each count goes into the last of the buckets into which its own is divided, or the last in the
// range of a float64.
func (b Buckets) refined(by int32) Buckets {
	if len(b.Counts) == 0 {
		return b
	}
	at := func(i int) int64 {
		return min((int64(b.Offset)+int64(i)+1)<<by-1, shift(1024, CoarsestRead))
	}
	first, last := at(0), at(len(b.Counts)-1)
	r := Buckets{Offset: int32(first), Counts: make([]uint64, last-first+1)}
	for i, c := range b.Counts {
		r.Counts[at(i)-first] += c
	}
	return r
}

// downscale joins groups of 2^by neighbours, in place.
func (b *Buckets) downscale(by int32) {
	if len(b.Counts) == 0 {
		return
	}
	first := b.Offset >> by
	for i, c := range b.Counts {
		b.Counts[i] = 0
		b.Counts[(b.Offset+int32(i))>>by-first] += c
	}
	last := (b.Offset + int32(len(b.Counts)) - 1) >> by
	b.Offset, b.Counts = first, b.Counts[:last-first+1]
}

// add merges o, whose memory may become part of b.
func (b *Buckets) add(o Buckets) {
	if len(o.Counts) == 0 {
		return
	}
	if len(b.Counts) == 0 {
		*b = o
		return
	}
	first := min(b.Offset, o.Offset)
	last := max(b.Offset+int32(len(b.Counts)), o.Offset+int32(len(o.Counts)))
	if int(last-first) > len(b.Counts) {
		counts := make([]uint64, last-first)
		copy(counts[b.Offset-first:], b.Counts)
		b.Offset, b.Counts = first, counts
	}
	for i, c := range o.Counts {
		b.Counts[o.Offset-b.Offset+int32(i)] += c
	}
}

func (b Buckets) sub(prev Buckets) (inc Buckets, fell bool) {
	inc = Buckets{Offset: b.Offset, Counts: slices.Clone(b.Counts)}
	for i, c := range prev.Counts {
		if c == 0 {
			continue
		}
		at := int64(prev.Offset) + int64(i) - int64(b.Offset)
		if at < 0 || at >= int64(len(inc.Counts)) || inc.Counts[at] < c {
			return Buckets{}, true
		}
		inc.Counts[at] -= c
	}
	return inc.trim(), false
}

// trim cuts zeros off both ends.
func (b Buckets) trim() Buckets {
	for len(b.Counts) > 0 && b.Counts[0] == 0 {
		b.Offset, b.Counts = b.Offset+1, b.Counts[1:]
	}
	for len(b.Counts) > 0 && b.Counts[len(b.Counts)-1] == 0 {
		b.Counts = b.Counts[:len(b.Counts)-1]
	}
	if len(b.Counts) == 0 {
		return Buckets{}
	}
	return b
}

func (b Buckets) copyTo(dst pmetric.ExponentialHistogramDataPointBuckets) {
	dst.SetOffset(b.Offset)
	dst.BucketCounts().FromRaw(b.Counts)
}
