package aggregate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/sketch"
)

// layout maps data to the words of a cell; -1 if nothing needs it. Word 0 is the number of points, and 0 means that the cell is empty.
type layout struct {
	count, sum, min, max, lastAt, last int8

	// Words is the number of 64 bit words of a cell.
	Words int
	// Sketch and Buckets say which distribution a cell has, if any.
	Sketch, Buckets bool
}

func newLayout(needs need, k Kind) layout {
	l := layout{Words: 1, sum: -1, min: -1, max: -1, lastAt: -1, last: -1}
	word := func() int8 {
		l.Words++
		return int8(l.Words - 1)
	}
	if !isNumber(k) {
		l.count = word() // a point has many measurements; otherwise it is word 0
	}
	if needs&needSum != 0 {
		l.sum = word()
	}
	if needs&needMin != 0 {
		l.min = word()
	}
	if needs&needMax != 0 {
		l.max = word()
	}
	if needs&needLast != 0 {
		l.lastAt, l.last = word(), word()
	}
	if needs&needDistribution != 0 {
		l.Sketch, l.Buckets = k == Gauge || k == Exponential, k == Histogram
	}
	return l
}

// Cell is the memory of one stream in one window. It does not own its parts: the words and the distribution are in the caller's pages.
type Cell struct {
	*layout
	W         []uint64             // len is Words
	Sketch    *sketch.Sketch       // nil unless the plan needs it
	Histogram *datapoint.Histogram // nil unless the plan needs them
}

// Cell builds a cell from its parts.
func (p *Plan) Cell(w []uint64, s *sketch.Sketch, h *datapoint.Histogram) Cell {
	return Cell{layout: &p.layout, W: w, Sketch: s, Histogram: h}
}

// Points returns the number of data points; 0 means that the cell is empty.
func (c Cell) Points() uint64 { return c.W[0] }

// Count returns the number of measurements.
func (c Cell) Count() uint64 { return c.W[c.count] }

// Number adds a gauge's measurement or a sum's increment. latest is the value for "last", at its time in Unix nanoseconds; of several
// points with the same time the greatest is the last, so that their order makes no difference.
func (c Cell) Number(v, latest float64, at int64, maxBuckets int) {
	first := c.W[0] == 0
	c.W[0]++
	if c.sum >= 0 {
		c.addSum(v)
	}
	if c.min >= 0 && (first || v < c.float(c.min)) {
		c.set(c.min, v)
	}
	if c.max >= 0 && (first || v > c.float(c.max)) {
		c.set(c.max, v)
	}
	if c.last >= 0 {
		c.setLast(first, latest, at)
	}
	if c.layout.Sketch {
		c.Sketch.Add(v, 1, maxBuckets)
	}
}

// Explicit adds a histogram's increment. coarsened is true if its bounds differ from the previous ones.
func (c Cell) Explicit(h datapoint.Histogram) (coarsened bool) {
	c.moments(h.Moments)
	if c.layout.Buckets {
		coarsened = c.Histogram.Add(h)
	}
	return coarsened
}

// Exponential adds an exponential histogram's increment.
func (c Cell) Exponential(e datapoint.Exponential, maxBuckets int) {
	c.moments(e.Moments)
	if c.layout.Sketch {
		c.Sketch.AddExponential(e, maxBuckets)
	}
}

// Summary adds a summary's increment.
func (c Cell) Summary(s datapoint.Summary) {
	c.moments(datapoint.Moments{Count: s.Count, Sum: s.Sum, HasSum: true})
}

// moments adds the common part of histograms and summaries. NaN means a minimum or maximum that one of the points did not have; it stays
// NaN. A sum is NaN until a point has one, and skips those that have none. A point without measurements has none of these by nature, and
// changes nothing.
func (c Cell) moments(m datapoint.Moments) {
	first := c.W[c.count] == 0
	c.W[0]++
	if c.sum >= 0 {
		switch {
		case m.HasSum && (m.Count > 0 || m.Sum != 0): // a cumulative point's missing part is in the next one, which counts it
			c.addSum(m.Sum)
		case !m.HasSum && m.Count > 0 && first && c.float(c.sum) == 0:
			c.set(c.sum, math.NaN())
		}
	}
	if m.Count == 0 {
		return
	}
	c.W[c.count] += m.Count
	if c.min >= 0 {
		if !m.HasMin {
			m.Min = math.NaN()
		}
		if first {
			c.set(c.min, m.Min)
		} else {
			c.set(c.min, min(c.float(c.min), m.Min)) // min with NaN is NaN
		}
	}
	if c.max >= 0 {
		if !m.HasMax {
			m.Max = math.NaN()
		}
		if first {
			c.set(c.max, m.Max)
		} else {
			c.set(c.max, max(c.float(c.max), m.Max))
		}
	}
}

// Merge adds o, a cell of the same plan, and leaves it as it is. coarsened is true if explicit bounds
// differ.
func (c Cell) Merge(o Cell, maxBuckets int) (coarsened bool) {
	if o.W[0] == 0 {
		return false
	}
	first, empty := c.W[c.count] == 0, o.W[o.count] == 0
	if c.last >= 0 {
		c.setLast(c.W[0] == 0, o.float(o.last), int64(o.W[o.lastAt]))
	}
	c.W[0] += o.W[0]
	if c.count != 0 {
		c.W[c.count] += o.W[o.count]
	}
	if c.sum >= 0 {
		switch v := o.float(o.sum); {
		case !math.IsNaN(v) && (!empty || v != 0):
			c.addSum(v)
		case math.IsNaN(v) && first && c.float(c.sum) == 0:
			c.set(c.sum, v)
		}
	}
	if c.min >= 0 && !empty {
		if first {
			c.W[c.min] = o.W[o.min]
		} else {
			c.set(c.min, min(c.float(c.min), o.float(o.min)))
		}
	}
	if c.max >= 0 && !empty {
		if first {
			c.W[c.max] = o.W[o.max]
		} else {
			c.set(c.max, max(c.float(c.max), o.float(o.max)))
		}
	}
	if c.layout.Sketch {
		c.Sketch.Merge(o.Sketch, maxBuckets)
	}
	if c.layout.Buckets {
		coarsened = c.Histogram.Add(*o.Histogram)
	}
	return coarsened
}

// Moments returns the cell's data other than its distribution.
func (c Cell) Moments() datapoint.Moments {
	m := datapoint.Moments{Count: c.Count()}
	m.Sum, m.HasSum = c.known(c.sum)
	m.Min, m.HasMin = c.known(c.min)
	m.Max, m.HasMax = c.known(c.max)
	return m
}

func (c Cell) known(i int8) (float64, bool) {
	if i < 0 || c.Count() == 0 {
		return 0, false
	}
	v := c.float(i)
	if math.IsNaN(v) {
		return 0, false
	}
	return v, true
}

func (c Cell) setLast(first bool, v float64, at int64) {
	was := int64(c.W[c.lastAt])
	if first || at > was || at == was && v > c.float(c.last) {
		c.W[c.lastAt] = uint64(at)
		c.set(c.last, v)
	}
}

// addSum adds to a sum, which may be unknown so far. A sum that would exceed the range of a float stays unchanged.
func (c Cell) addSum(v float64) {
	switch sum := c.float(c.sum); {
	case math.IsNaN(sum):
		c.set(c.sum, v)
	case !math.IsInf(sum+v, 0):
		c.set(c.sum, sum+v)
	}
}

func (c Cell) float(i int8) float64  { return math.Float64frombits(c.W[i]) }
func (c Cell) set(i int8, v float64) { c.W[i] = math.Float64bits(v) }

// ErrCorrupt is wrapped by Decode's errors.
var ErrCorrupt = errors.New("corrupt cell")

// Append writes c to b.
func (c Cell) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, c.W[0])
	if c.W[0] == 0 {
		return b
	}
	for _, w := range c.W[1:] {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	if c.layout.Sketch {
		b = c.Sketch.Append(b)
	}
	if c.layout.Buckets {
		b = c.Histogram.Append(b)
	}
	return b
}

// Decode reads a cell of the same plan that Append wrote from the beginning of b, and returns the rest.
func (c Cell) Decode(b []byte) (rest []byte, err error) {
	points, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, fmt.Errorf("%w: points", ErrCorrupt)
	}
	b = b[n:]
	if c.W[0] = points; points == 0 {
		return b, nil
	}
	if len(b) < 8*(len(c.W)-1) {
		return nil, fmt.Errorf("%w: words", ErrCorrupt)
	}
	for i := range c.W[1:] {
		c.W[i+1] = binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	if c.layout.Sketch {
		if b, err = c.Sketch.Decode(b); err != nil {
			return nil, err
		}
	}
	if c.layout.Buckets {
		return c.Histogram.Decode(b)
	}
	return b, nil
}
