package datapoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// The encoding is for a component's own state: varints, floats as eight bytes little endian, no field names and no version. The caller that stores
// it adds a version.

// ErrCorrupt is wrapped by the Decode functions' errors: the bytes were not written by Append, or are incomplete.
var ErrCorrupt = errors.New("corrupt encoding")

const (
	flagSum = 1 << iota
	flagMin
	flagMax
	flagFloat
)

// Append writes n to b.
func (n Number) Append(b []byte) []byte {
	if n.isFloat {
		return binary.LittleEndian.AppendUint64(append(b, flagFloat), n.bits)
	}
	return binary.AppendVarint(append(b, 0), int64(n.bits))
}

// Decode reads n from the front of b and returns what follows it.
func (n *Number) Decode(b []byte) (rest []byte, err error) {
	r := reader{b: b}
	switch flags := r.byte(); flags {
	case 0:
		*n = Int(r.varint())
	case flagFloat:
		*n = Float(r.float())
	default:
		r.fail("number", uint64(flags))
	}
	return r.b, r.err
}

// Append writes s to b.
func (s Summary) Append(b []byte) []byte {
	return appendFloat(binary.AppendUvarint(b, s.Count), s.Sum)
}

// Decode reads s from the front of b and returns what follows it.
func (s *Summary) Decode(b []byte) (rest []byte, err error) {
	r := reader{b: b}
	*s = Summary{Count: r.uvarint(), Sum: r.float()}
	return r.b, r.err
}

// Append writes h to b.
func (h Histogram) Append(b []byte) []byte {
	b = h.Moments.append(b)
	b = binary.AppendUvarint(b, uint64(len(h.Counts)))
	for _, c := range h.Counts {
		b = binary.AppendUvarint(b, c)
	}
	for _, x := range h.Bounds {
		b = appendFloat(b, x)
	}
	return b
}

// Decode reads h from the front of b and returns what follows it.
func (h *Histogram) Decode(b []byte) (rest []byte, err error) {
	r := reader{b: b}
	*h = Histogram{Moments: r.moments()}
	h.Counts = r.counts()
	if total := sum(h.Counts); total != h.Count {
		r.fail("count", h.Count)
	}
	if n := len(h.Counts) - 1; n > 0 {
		if len(r.b) < 8*n {
			r.fail("bounds", uint64(n))
			return r.b, r.err
		}
		h.Bounds = make([]float64, n)
		for i := range h.Bounds {
			h.Bounds[i] = r.float()
		}
	}
	return r.b, r.err
}

// Append writes e to b.
func (e Exponential) Append(b []byte) []byte {
	b = e.Moments.append(b)
	b = binary.AppendVarint(b, int64(e.Scale))
	b = binary.AppendUvarint(b, e.ZeroCount)
	b = appendFloat(b, e.ZeroThreshold)
	for _, x := range [...]Buckets{e.Positive, e.Negative} {
		b = binary.AppendVarint(b, int64(x.Offset))
		b = binary.AppendUvarint(b, uint64(len(x.Counts)))
		for _, c := range x.Counts {
			b = binary.AppendUvarint(b, c)
		}
	}
	return b
}

// Decode reads e from the front of b and returns what follows it.
func (e *Exponential) Decode(b []byte) (rest []byte, err error) {
	r := reader{b: b}
	*e = Exponential{Moments: r.moments()}
	scale := r.varint()
	if scale < MinScale || scale > MaxScale {
		r.fail("scale", uint64(scale))
	}
	e.Scale, e.ZeroCount, e.ZeroThreshold = int32(scale), r.uvarint(), r.float()
	if !(e.ZeroThreshold >= 0) || math.IsInf(e.ZeroThreshold, 1) {
		r.fail("zero threshold", math.Float64bits(e.ZeroThreshold))
	}
	for _, x := range [...]*Buckets{&e.Positive, &e.Negative} {
		offset := r.varint()
		x.Counts = r.counts()
		last := offset + int64(len(x.Counts)) - 1
		if len(x.Counts) > 0 && r.err == nil && (offset < shift(-1075, e.Scale) || last > shift(1024, e.Scale)) {
			r.fail("offset", uint64(offset))
		}
		x.Offset = int32(offset)
	}
	if e.total() != e.Count {
		r.fail("count", e.Count)
	}
	return r.b, r.err
}

// AppendExemplars writes s to b.
func AppendExemplars(b []byte, s pmetric.ExemplarSlice) []byte {
	if s.Len() == 0 {
		return append(b, 0)
	}
	m := pmetric.NewMetrics()
	dp := m.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty()
	s.CopyTo(dp.Exemplars())
	raw, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(m)
	if err != nil { // it can't fail
		panic(fmt.Sprintf("datapoint: marshal exemplars: %v", err))
	}
	return append(binary.AppendUvarint(b, uint64(len(raw))), raw...)
}

// DecodeExemplars reads exemplars from the front of b into s, and returns what follows them.
func DecodeExemplars(b []byte, s pmetric.ExemplarSlice) (rest []byte, err error) {
	r := reader{b: b}
	n := r.uvarint()
	if r.err != nil || n == 0 {
		return r.b, r.err
	}
	if n > uint64(len(r.b)) {
		r.fail("exemplars", n)
		return r.b, r.err
	}
	m, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(r.b[:n])
	if err != nil {
		return r.b, fmt.Errorf("%w: exemplars: %w", ErrCorrupt, err)
	}
	for _, rm := range m.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, metric := range sm.Metrics().All() {
				if metric.Type() != pmetric.MetricTypeGauge {
					continue
				}
				for _, dp := range metric.Gauge().DataPoints().All() {
					dp.Exemplars().MoveAndAppendTo(s)
				}
			}
		}
	}
	return r.b[n:], nil
}

func (m Moments) append(b []byte) []byte {
	var flags byte
	if m.HasSum {
		flags |= flagSum
	}
	if m.HasMin {
		flags |= flagMin
	}
	if m.HasMax {
		flags |= flagMax
	}
	b = binary.AppendUvarint(append(b, flags), m.Count)
	if m.HasSum {
		b = appendFloat(b, m.Sum)
	}
	if m.HasMin {
		b = appendFloat(b, m.Min)
	}
	if m.HasMax {
		b = appendFloat(b, m.Max)
	}
	return b
}

func appendFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}

// reader takes values from the front of b until the first error.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string, value uint64) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s %d, %d bytes left", ErrCorrupt, what, value, len(r.b))
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("flags", 0)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("uvarint", 0)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail("varint", 0)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) float() float64 {
	if len(r.b) < 8 {
		r.fail("float", 0)
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	return v
}

// counts reads a length and as many counts; each takes at least one byte, so the length can't cause an allocation larger than the input.
func (r *reader) counts() []uint64 {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail("counts", n)
	}
	if r.err != nil || n == 0 {
		return nil
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = r.uvarint()
	}
	return out
}

func (r *reader) moments() (m Moments) {
	flags := r.byte()
	if flags >= flagFloat {
		r.fail("flags", uint64(flags))
	}
	m.Count = r.uvarint()
	if m.HasSum = flags&flagSum != 0; m.HasSum {
		m.Sum = r.float()
	}
	if m.HasMin = flags&flagMin != 0; m.HasMin {
		m.Min = r.float()
	}
	if m.HasMax = flags&flagMax != 0; m.HasMax {
		m.Max = r.float()
	}
	return m
}
