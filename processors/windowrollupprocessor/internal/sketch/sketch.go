// Package sketch keeps the distribution of numbers in buckets of exponentially growing width, so that any quantile can be computed
// afterwards with a bounded relative error, and merging sketches adds no error.
//
// The buckets are those of OpenTelemetry's exponential histogram at scale 6: base 2^(2^-6), so a bucket is 1.09 % wide, and its middle is
// within 0.55 % of anything in it ([MaxRelativeError]). The number of a bucket is always computed at that scale and shifted down for a
// coarser one, so the sketch depends on what was added, not on the order.
//
// Source: https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram and, for the bound, Masson, Rim, Lee: DDSketch
// (VLDB 2019), section 2.
package sketch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/penstockhq/penstock/internal/datapoint"
)

const (
	// Scale is the initial resolution of a sketch.
	Scale = 6
	// MaxRelativeError of a quantile at Scale: (base-1)/(base+1), rounded up.
	MaxRelativeError = 0.00542
	// DefaultMaxBuckets holds a spread of 2^32 (nanoseconds to seconds) without a gap at Scale, in at most 16 KiB.
	DefaultMaxBuckets = 2048

	// bias makes the keys of positive numbers positive at every scale. A power of two, so that it
	// shifts without a remainder; a float64 reaches from 2^-1074 to 2^1024, so no index at Scale
	// is beyond 1075 * 2^6 = 68800.
	bias = 1 << 18
	// maxCoarser is datapoint.MinScale: two buckets per sign hold everything.
	maxCoarser = Scale - datapoint.MinScale
)

// A Sketch is a multiset of finite numbers. The zero value is empty. Memory: 32 bytes, and 8 for
// every bucket that is not empty.
//
// Not safe for concurrent use.
type Sketch struct {
	buckets []bucket // ascending by key
	// coarser is how far the scale is below Scale.
	coarser int8
}

// bucket: key 0 is zero; a positive number with index i has the key i+bias, a negative
// one -(i+bias). So keys are in the order of the numbers.
type bucket struct {
	key   int32
	count uint32
}

// Add counts v n times and keeps at most maxBuckets (at least 8): past them, neighbours are joined in pairs, which doubles the error. v
// must be finite.
func (s *Sketch) Add(v float64, n uint64, maxBuckets int) {
	s.add(s.key(v), n)
	s.reduce(maxBuckets)
}

// Merge adds the content of o.
func (s *Sketch) Merge(o *Sketch, maxBuckets int) {
	if len(o.buckets) == 0 {
		return
	}
	if len(s.buckets) == 0 {
		s.buckets, s.coarser = append(s.buckets[:0], o.buckets...), o.coarser
		return
	}
	for s.coarser < o.coarser {
		s.coarsen()
	}
	by := uint(s.coarser - o.coarser)
	merged := make([]bucket, 0, len(s.buckets)+len(o.buckets))
	a := s.buckets
	for _, b := range o.buckets {
		b.key = shift(b.key, o.coarser, by)
		for len(a) > 0 && a[0].key <= b.key {
			merged = join(merged, a[0])
			a = a[1:]
		}
		merged = join(merged, b)
	}
	for _, b := range a {
		merged = join(merged, b)
	}
	s.buckets = merged
	s.reduce(maxBuckets)
}

// AddExponential adds the buckets of an OTLP histogram. A finer scale is reduced to Scale; a coarser one coarsens the sketch, unless the
// histogram is empty. The zero bucket counts as zero.
func (s *Sketch) AddExponential(e datapoint.Exponential, maxBuckets int) {
	if e.ZeroCount == 0 && len(e.Positive.Counts) == 0 && len(e.Negative.Counts) == 0 {
		return
	}
	for Scale-int32(s.coarser) > e.Scale {
		s.coarsen()
	}
	by := uint(e.Scale - (Scale - int32(s.coarser)))
	offset := int32(bias) >> s.coarser
	for i, n := range e.Negative.Counts {
		if n > 0 {
			s.add(-((e.Negative.Offset+int32(i))>>by + offset), n)
		}
	}
	if e.ZeroCount > 0 {
		s.add(0, e.ZeroCount)
	}
	for i, n := range e.Positive.Counts {
		if n > 0 {
			s.add((e.Positive.Offset+int32(i))>>by+offset, n)
		}
	}
	s.reduce(maxBuckets)
}

// Quantile returns the value that a share of q (0 to 1) of the numbers does not exceed, within [Sketch.Error]; NaN if the sketch is empty.
func (s *Sketch) Quantile(q float64) float64 {
	total := s.Count()
	if total == 0 {
		return math.NaN()
	}
	rank := uint64(q * float64(total-1))
	var seen uint64
	for _, b := range s.buckets {
		if seen += uint64(b.count); seen > rank {
			return s.value(b.key)
		}
	}
	return s.value(s.buckets[len(s.buckets)-1].key)
}

// Count returns how many numbers have been added.
func (s *Sketch) Count() (n uint64) {
	for _, b := range s.buckets {
		n += uint64(b.count)
	}
	return n
}

// Error returns the present largest relative error of a quantile: [MaxRelativeError] unless buckets had to be joined.
func (s *Sketch) Error() float64 {
	base := math.Exp2(math.Ldexp(1, int(s.coarser)-Scale))
	return (base - 1) / (base + 1)
}

// Coarse reports whether quantiles have a larger error than [MaxRelativeError].
func (s *Sketch) Coarse() bool { return s.coarser > 0 }

// Len returns the number of buckets.
func (s *Sketch) Len() int { return len(s.buckets) }

// Exponential returns the sketch as an OTLP histogram with at most maxBuckets per sign, without
// sum, min and max.
func (s *Sketch) Exponential(maxBuckets int) datapoint.Exponential {
	e := datapoint.Exponential{Scale: Scale - int32(s.coarser)}
	e.Count = s.Count()
	offset := int32(bias) >> s.coarser
	split := sort.Search(len(s.buckets), func(i int) bool { return s.buckets[i].key >= 0 })
	negative, positive := s.buckets[:split], s.buckets[split:]
	if len(positive) > 0 && positive[0].key == 0 {
		e.ZeroCount, positive = uint64(positive[0].count), positive[1:]
	}
	// Sparse buckets may be far apart: find the scale before allocating.
	by := 0
	for span(negative, by, offset) > maxBuckets || span(positive, by, offset) > maxBuckets {
		by++
	}
	e.Scale -= int32(by)
	e.Positive = dense(positive, by, offset)
	e.Negative = dense(negative, by, offset)
	return e
}

func span(b []bucket, by int, offset int32) int {
	if len(b) == 0 {
		return 0
	}
	d := int(index(b[len(b)-1].key, offset)>>by) - int(index(b[0].key, offset)>>by)
	return max(d, -d) + 1
}

func dense(b []bucket, by int, offset int32) (out datapoint.Buckets) {
	if len(b) == 0 {
		return out
	}
	out.Offset = min(index(b[0].key, offset), index(b[len(b)-1].key, offset)) >> by
	out.Counts = make([]uint64, span(b, by, offset))
	for _, x := range b {
		out.Counts[index(x.key, offset)>>by-out.Offset] += uint64(x.count)
	}
	return out
}

// index undoes the bias and the sign.
func index(key, offset int32) int32 { return max(key, -key) - offset }

// key returns v's bucket at the sketch's scale.
func (s *Sketch) key(v float64) int32 {
	if v == 0 {
		return 0
	}
	frac, exp := math.Frexp(math.Abs(v)) // |v| = frac * 2^exp, frac in [0.5, 1)
	// A bucket includes its upper end and excludes its lower one.
	i := int32(exp-1)<<Scale - 1
	if frac != 0.5 {
		i += int32(math.Ceil(math.Log2(2*frac) * (1 << Scale)))
	}
	k := i>>s.coarser + bias>>s.coarser
	if v < 0 {
		return -k
	}
	return k
}

// value returns the point of the bucket that has the same relative distance to both its ends.
func (s *Sketch) value(key int32) float64 {
	if key == 0 {
		return 0
	}
	i := index(key, int32(bias)>>s.coarser)
	width := math.Ldexp(1, int(s.coarser)-Scale)
	lower := math.Exp2(float64(i) * width)
	base := math.Exp2(width)
	v := lower * (2 * base / (1 + base))
	if key < 0 {
		return -v
	}
	return v
}

func (s *Sketch) add(key int32, n uint64) {
	i, found := slices.BinarySearchFunc(s.buckets, key, func(b bucket, key int32) int { return int(b.key - key) })
	if !found {
		s.buckets = slices.Insert(s.buckets, i, bucket{key: key})
	}
	s.buckets[i].count = saturate(uint64(s.buckets[i].count) + n)
}

// join appends b, or adds it to the last bucket if that has the same key.
func join(to []bucket, b bucket) []bucket {
	if n := len(to); n > 0 && to[n-1].key == b.key {
		to[n-1].count = saturate(uint64(to[n-1].count) + uint64(b.count))
		return to
	}
	return append(to, b)
}

// saturate: a bucket counts to at most four billion; a quantile does not need more.
func saturate(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }

func (s *Sketch) reduce(maxBuckets int) {
	for len(s.buckets) > max(maxBuckets, 8) {
		s.coarsen()
	}
}

// coarsen joins neighbours, and lowers the scale by one.
func (s *Sketch) coarsen() {
	out := s.buckets[:0]
	for _, b := range s.buckets {
		b.key = shift(b.key, s.coarser, 1)
		out = join(out, b)
	}
	s.buckets = out
	s.coarser++
}

// shift moves a key from a sketch that is coarser by that much down by further steps.
func shift(key int32, coarser int8, by uint) int32 {
	if key == 0 || by == 0 {
		return key
	}
	k := index(key, int32(bias)>>coarser)>>by + int32(bias)>>(uint(coarser)+by)
	if key < 0 {
		return -k
	}
	return k
}

// ErrCorrupt is wrapped by Decode's errors.
var ErrCorrupt = errors.New("corrupt sketch")

// Append writes s to b; equal sketches give equal bytes.
func (s *Sketch) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, byte(s.coarser)), uint64(len(s.buckets)))
	last := int32(0)
	for _, x := range s.buckets {
		b = binary.AppendVarint(b, int64(x.key)-int64(last))
		b = binary.AppendUvarint(b, uint64(x.count))
		last = x.key
	}
	return b
}

// Decode reads the output of Append from the beginning of b, and returns the rest.
func (s *Sketch) Decode(b []byte) (rest []byte, err error) {
	if len(b) == 0 || b[0] > maxCoarser {
		return nil, fmt.Errorf("%w: scale", ErrCorrupt)
	}
	s.coarser, b = int8(b[0]), b[1:]
	offset, reach := int32(bias)>>s.coarser, int32(1075<<Scale)>>s.coarser+1
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)) {
		return nil, fmt.Errorf("%w: length", ErrCorrupt)
	}
	b = b[size:]
	s.buckets = nil
	if n > 0 {
		s.buckets = make([]bucket, n)
	}
	last := int64(0)
	for i := range s.buckets {
		d, size := binary.Varint(b)
		if size <= 0 || i > 0 && d <= 0 {
			return nil, fmt.Errorf("%w: bucket", ErrCorrupt)
		}
		b = b[size:]
		count, size := binary.Uvarint(b)
		if last += d; size <= 0 || count > math.MaxUint32 || last < -2*bias || last > 2*bias {
			return nil, fmt.Errorf("%w: bucket", ErrCorrupt)
		}
		if i := index(int32(last), offset); last != 0 && (i < -reach || i > reach) {
			return nil, fmt.Errorf("%w: bucket", ErrCorrupt)
		}
		b = b[size:]
		s.buckets[i] = bucket{key: int32(last), count: uint32(count)}
	}
	return b, nil
}
