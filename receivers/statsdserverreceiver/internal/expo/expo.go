// Package expo implements an exponential histogram of weighted observations. A sampled observation counts as 1/rate of them, which is
// seldom a whole number. Weights are summed exactly, and the sums are rounded to whole numbers once, at the end.
package expo

import "math"

const (
	// maxScale is the initial resolution of a histogram, minScale the one at which every double fits into two buckets.
	maxScale = 20
	minScale = -10
	// noise is how much a sum of weights may differ from a whole number and still count as that number.
	noise = 1e-9
)

// Histogram counts observations in at most size buckets for each sign, of the width that their range allows: bucket i of a scale s holds
// (2^(i/2^s), 2^((i+1)/2^s)], as in OpenTelemetry's data model. The zero value is not usable. It is not safe for concurrent use.
type Histogram struct {
	size               int
	scale              int
	positive, negative buckets
	zero, count        float64
	sum, min, max      float64
}

// buckets are the counts of neighbouring buckets; the first has the index start.
type buckets struct {
	start  int
	counts []float64
}

// New returns an empty histogram of at most size buckets for each sign; size is 2 at least. It takes up to 16·size bytes, 8·size if all
// observations have one sign.
func New(size int) *Histogram {
	return &Histogram{size: size, scale: maxScale, min: math.Inf(1), max: math.Inf(-1)}
}

// Empty reports whether nothing was observed.
func (h *Histogram) Empty() bool { return h.count == 0 }

// Add counts value, which must be finite, weight times; weight must be positive. It returns false, and counts nothing, if the sum would be
// infinite.
func (h *Histogram) Add(value, weight float64) bool {
	sum := h.sum + value*weight
	if math.IsInf(sum, 0) {
		return false
	}
	h.sum = sum
	h.count += weight
	h.min, h.max = min(h.min, value), max(h.max, value)
	switch {
	case value > 0:
		h.put(&h.positive, value, weight)
	case value < 0:
		h.put(&h.negative, -value, weight)
	default:
		h.zero += weight
	}
	return true
}

func (h *Histogram) put(b *buckets, value, weight float64) {
	i := index(value, h.scale)
	for h.scale > minScale && !b.fits(i, h.size) {
		h.downscale()
		i = index(value, h.scale)
	}
	b.add(i, weight)
}

// downscale halves the resolution.
func (h *Histogram) downscale() {
	h.scale--
	h.positive.halve()
	h.negative.halve()
}

func (b *buckets) fits(i, size int) bool {
	return len(b.counts) == 0 || max(i, b.start+len(b.counts)-1)-min(i, b.start) < size
}

func (b *buckets) add(i int, weight float64) {
	switch {
	case len(b.counts) == 0:
		b.start = i
		b.counts = append(b.counts, 0)
	case i < b.start:
		grown := make([]float64, b.start-i+len(b.counts))
		copy(grown[b.start-i:], b.counts)
		b.start, b.counts = i, grown
	}
	for i-b.start >= len(b.counts) {
		b.counts = append(b.counts, 0)
	}
	b.counts[i-b.start] += weight
}

func (b *buckets) halve() {
	if len(b.counts) == 0 {
		return
	}
	start := b.start >> 1
	last := (b.start + len(b.counts) - 1) >> 1
	half := make([]float64, last-start+1)
	for k, weight := range b.counts {
		half[(b.start+k)>>1-start] += weight
	}
	b.start, b.counts = start, half
}

// index is the bucket of a positive value at a scale.
func index(value float64, scale int) int {
	if scale > 0 {
		return int(math.Ceil(math.Log2(value)*math.Ldexp(1, scale))) - 1
	}
	fraction, exponent := math.Frexp(value)
	if fraction == 0.5 { // a power of two is the upper end of its bucket
		exponent--
	}
	return (exponent - 1) >> -scale
}

// Merge adds the content of other. It may halve other's resolution.
func (h *Histogram) Merge(other *Histogram) {
	for h.scale > other.scale {
		h.downscale()
	}
	for other.scale > h.scale {
		other.downscale()
	}
	for h.scale > minScale && !(h.positive.holds(&other.positive, h.size) && h.negative.holds(&other.negative, h.size)) {
		h.downscale()
		other.downscale()
	}
	h.positive.merge(&other.positive)
	h.negative.merge(&other.negative)
	h.zero += other.zero
	h.count += other.count
	h.sum += other.sum
	h.min, h.max = min(h.min, other.min), max(h.max, other.max)
}

// holds reports whether both together need at most size buckets.
func (b *buckets) holds(other *buckets, size int) bool {
	if len(b.counts) == 0 || len(other.counts) == 0 {
		return true
	}
	return max(b.start+len(b.counts), other.start+len(other.counts))-min(b.start, other.start) <= size
}

func (b *buckets) merge(other *buckets) {
	for k, weight := range other.counts {
		if weight > 0 {
			b.add(other.start+k, weight)
		}
	}
}

// Counts is a histogram with whole numbers.
type Counts struct {
	Scale                 int
	Positive, Negative    Buckets
	Zero, Count           uint64
	Sum, Minimum, Maximum float64
}

// Buckets are the counts of neighbouring buckets; the first has the index Offset.
type Buckets struct {
	Offset int
	Counts []uint64
}

// Counts rounds the weights so that each running total, from the lowest value up, differs by at most one half from the exact one. carry is
// the remainder of the previous interval, between -0.5 and 0.5; rest is the remainder for the next one. So the totals of many intervals
// differ by at most one half too.
func (h *Histogram) Counts(carry float64) (Counts, float64) {
	c := Counts{Scale: h.scale, Sum: h.sum, Minimum: h.min, Maximum: h.max}
	round := func(weight float64) uint64 {
		carry += weight
		whole := math.Floor(carry + 0.5)
		carry -= whole
		c.Count += uint64(whole)
		return uint64(whole)
	}
	c.Negative = Buckets{Offset: h.negative.start, Counts: make([]uint64, len(h.negative.counts))}
	for k := len(h.negative.counts) - 1; k >= 0; k-- {
		c.Negative.Counts[k] = round(h.negative.counts[k])
	}
	c.Zero = round(h.zero)
	c.Positive = Buckets{Offset: h.positive.start, Counts: make([]uint64, len(h.positive.counts))}
	for k, weight := range h.positive.counts {
		c.Positive.Counts[k] = round(weight)
	}
	if math.Abs(carry) < noise {
		carry = 0
	}
	return c, carry
}

// Quantile returns a value of the bucket that contains the q-quantile, the middle on a logarithmic scale; for q 0 and 1 the exact minimum
// and maximum. Its relative error is at most 2^(2^-(s+1))-1 at a scale of s.
func (h *Histogram) Quantile(q float64) float64 {
	if q <= 0 {
		return h.min
	}
	rank := q * h.count
	if q >= 1 {
		return h.max
	}
	for k := len(h.negative.counts) - 1; k >= 0; k-- {
		if rank -= h.negative.counts[k]; rank <= noise {
			return h.clamp(-h.middle(h.negative.start + k))
		}
	}
	if rank -= h.zero; rank <= noise && h.zero > 0 {
		return 0
	}
	for k, weight := range h.positive.counts {
		if rank -= weight; rank <= noise {
			return h.clamp(h.middle(h.positive.start + k))
		}
	}
	return h.max
}

func (h *Histogram) middle(i int) float64 { return math.Exp2(math.Ldexp(float64(i)+0.5, -h.scale)) }

func (h *Histogram) clamp(value float64) float64 { return max(h.min, min(h.max, value)) }
