package fold

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/cursor"
	"github.com/penstockhq/penstock/internal/datapoint"
)

// Kind is the form of a value.
type Kind uint8

// The kinds of values.
const (
	Number Kind = iota
	Histogram
	Exponential
	Summary
)

// Value is one data point's value of any kind. Copies share the data behind the pointers: only Add changes it, on a value that owns it.
type Value struct {
	Kind Kind
	Num  datapoint.Number
	ext  *extended // nil for numbers
}

type extended struct {
	hist datapoint.Histogram
	exp  datapoint.Exponential
	sum  datapoint.Summary
}

// FromNumber, FromHistogram, FromExponential and FromSummary copy the value of a point.
func FromNumber(dp pmetric.NumberDataPoint) Value {
	return Value{Num: datapoint.FromNumber(dp)}
}

// FromHistogram copies dp, and refuses it if it contradicts itself.
func FromHistogram(dp pmetric.HistogramDataPoint) (Value, error) {
	h, err := datapoint.FromHistogram(dp)
	return Value{Kind: Histogram, ext: &extended{hist: h}}, err
}

// FromExponential copies dp, and refuses it if it contradicts itself.
func FromExponential(dp pmetric.ExponentialHistogramDataPoint) (Value, error) {
	e, err := datapoint.FromExponential(dp, datapoint.DefaultMaxBuckets)
	return Value{Kind: Exponential, ext: &extended{exp: e}}, err
}

// FromSummary copies count and sum of dp.
func FromSummary(dp pmetric.SummaryDataPoint) Value {
	return Value{Kind: Summary, ext: &extended{sum: datapoint.FromSummary(dp)}}
}

// Add adds o, of the same kind, to v, which must own its memory: it was made only by [Zero] and Add. coarsened: the bounds of two
// histograms were more than [datapoint.MaxBounds], and resolution was lost.
func (v *Value) Add(o Value) (coarsened bool) {
	switch v.Kind {
	case Number:
		v.Num = v.Num.Add(o.Num)
	case Histogram:
		coarsened = v.ext.hist.Add(o.ext.hist)
	case Exponential:
		v.ext.exp.Add(o.ext.exp, datapoint.DefaultMaxBuckets)
	case Summary:
		v.ext.sum.Add(o.ext.sum)
	}
	return coarsened
}

// Zero returns the neutral value of a kind.
func Zero(kind Kind) Value {
	v := Value{Kind: kind}
	if kind != Number {
		v.ext = &extended{}
	}
	return v
}

// Sub returns the increase of v since prev. fell: a part of it is smaller than it was. ok is false if the bounds of a histogram have
// changed: then count and sum of the increase are right, but all of it is in the last bucket.
func (v Value) Sub(prev Value) (inc Value, fell, ok bool) {
	inc, ok = Zero(v.Kind), true
	switch v.Kind {
	case Number:
		inc.Num, fell = v.Num.Sub(prev.Num)
	case Histogram:
		inc.ext.hist, fell, ok = v.ext.hist.Sub(prev.ext.hist)
	case Exponential:
		inc.ext.exp, fell = v.ext.exp.Sub(prev.ext.exp)
	case Summary:
		inc.ext.sum, fell = v.ext.sum.Sub(prev.ext.sum)
	}
	return inc, fell, ok
}

// withoutRange removes minimum and maximum: those of cumulative points apply to the whole life of a stream, and are undefined for a sum of
// streams that began at different times.
func (v Value) withoutRange() Value {
	if v.ext == nil {
		return v
	}
	e := *v.ext
	for _, m := range []*datapoint.Moments{&e.hist.Moments, &e.exp.Moments} {
		m.HasMin, m.HasMax, m.Min, m.Max = false, false, 0, 0
	}
	v.ext = &e
	return v
}

// moments returns the fields other than the buckets of a histogram, nil for other kinds.
func (v Value) moments() *datapoint.Moments {
	switch v.Kind {
	case Histogram:
		return &v.ext.hist.Moments
	case Exponential:
		return &v.ext.exp.Moments
	}
	return nil
}

// finite reports whether v consists of finite numbers.
func (v Value) finite() bool {
	switch v.Kind {
	case Number:
		return v.Num.Finite()
	case Summary:
		return v.ext.sum.Sum-v.ext.sum.Sum == 0
	}
	f := v.moments().Sum
	return f-f == 0
}

// carried returns v with the sum of prev, the contributor's previous value, if v has none.
func (v Value) carried(prev Value) Value {
	m := v.moments()
	if m == nil || m.HasSum {
		return v
	}
	e := *v.ext
	v.ext = &e
	v.moments().Carry(*prev.moments())
	return v
}

// refusal returns why o can't be added to v.
func (v Value) refusal(o Value) Refusal {
	switch v.Kind {
	case Number:
		if !v.Num.Add(o.Num).Finite() {
			return NotFinite
		}
	case Summary:
		if f := v.ext.sum.Sum + o.ext.sum.Sum; f-f != 0 {
			return NotFinite
		}
		if v.ext.sum.Count+o.ext.sum.Count < o.ext.sum.Count {
			return TooMany
		}
	default:
		m, n := v.moments(), o.moments()
		if f := m.Sum + n.Sum; f-f != 0 {
			return NotFinite
		}
		if m.Overflows(*n) {
			return TooMany
		}
	}
	return Taken
}

// clone returns a value that shares nothing with v.
func (v Value) clone() Value {
	c := Zero(v.Kind)
	c.Add(v)
	return c
}

// zeroed returns a value of v's shape with all counts zero.
func (v Value) zeroed() Value {
	z := Zero(v.Kind)
	switch v.Kind {
	case Number:
		if !v.Num.IsInt() {
			z.Num = datapoint.Float(0)
		}
	case Histogram:
		z.ext.hist.Bounds, z.ext.hist.Counts = v.ext.hist.Bounds, make([]uint64, len(v.ext.hist.Counts))
		z.ext.hist.HasSum = v.ext.hist.HasSum
	case Exponential:
		z.ext.exp.Scale, z.ext.exp.ZeroThreshold, z.ext.exp.HasSum = v.ext.exp.Scale, v.ext.exp.ZeroThreshold, v.ext.exp.HasSum
	}
	return z
}

// Append appends v to b, for [decodeValue].
func (v Value) Append(b []byte) []byte {
	b = append(b, byte(v.Kind))
	switch v.Kind {
	case Histogram:
		return v.ext.hist.Append(b)
	case Exponential:
		return v.ext.exp.Append(b)
	case Summary:
		return v.ext.sum.Append(b)
	default:
		return v.Num.Append(b)
	}
}

func decodeValue(b []byte) (v Value, rest []byte, err error) {
	if len(b) == 0 || b[0] > byte(Summary) {
		return v, nil, fmt.Errorf("value: %w", cursor.ErrCorrupt)
	}
	v = Zero(Kind(b[0]))
	switch b = b[1:]; v.Kind {
	case Histogram:
		b, err = v.ext.hist.Decode(b)
	case Exponential:
		b, err = v.ext.exp.Decode(b)
	case Summary:
		b, err = v.ext.sum.Decode(b)
	default:
		b, err = v.Num.Decode(b)
	}
	return v, b, err
}
