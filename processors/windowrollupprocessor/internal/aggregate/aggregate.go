// Package aggregate computes a stream's aggregates in a window: sum, count, avg, min, max, last, increase, rate, quantiles and histograms.
// There is one file for each, which defines what the aggregate needs to remember and how its value follows from that; [Plan] combines
// several, so that data which two of them need is kept once.
//
// A window's memory is a [Cell]: a few 64-bit words, laid out by the plan, and a sketch or buckets if an aggregate needs the distribution.
package aggregate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is the meaning of a stream's data points.
type Kind uint8

const (
	// Gauge: every point is a measurement. Gauges, and cumulative sums that can fall.
	Gauge Kind = iota
	// Counter: every point is a non-negative increment.
	Counter
	// Net: every point is an increment of any sign. Delta sums that can fall.
	Net
	// Histogram: every point has buckets with explicit bounds.
	Histogram
	// Exponential: every point has exponential buckets.
	Exponential
	// Summary: every point has a count and a sum.
	Summary
	// Kinds is the number of kinds.
	Kinds
)

// String returns the name of the OTLP type that k mostly means.
func (k Kind) String() string {
	return [...]string{"gauge", "counter", "net sum", "histogram", "exponential histogram", "summary"}[k]
}

// Form is the OTLP type of an aggregate's values.
type Form uint8

const (
	// Level is a gauge.
	Level Form = iota
	// Flow is a monotonic sum; values of several windows can be added.
	Flow
	// NetFlow is a sum that can fall; values of several windows can be added.
	NetFlow
	// Distribution is a histogram with the buckets of the cell.
	Distribution
)

// Additive reports whether values of neighbouring windows can be added into one for both.
func (f Form) Additive() bool { return f != Level }

// Output describes how an aggregate of one kind of stream is written.
type Output struct {
	// Name is the aggregate's name, and the suffix of the metric's name.
	Name string
	Form Form
	// Unit derives the unit from the stream's.
	Unit func(unit string) string
	// Value reads the cell of a window of the given length; NaN if there is no value. It is nil for a Distribution.
	Value func(c Cell, window time.Duration) float64
	// Whole is true if the value is an integer.
	Whole bool
}

// Aggregate is one way to aggregate a window.
type Aggregate struct {
	name  string
	needs func(k Kind) (need, bool)
	out   func(k Kind) Output
}

// Name returns the name that the configuration and the metric suffix use.
func (a Aggregate) Name() string { return a.name }

// AppliesTo reports whether a can be computed for streams of kind k.
func (a Aggregate) AppliesTo(k Kind) bool {
	_, ok := a.needs(k)
	return ok
}

// need is a set of data to remember.
type need uint8

const (
	needSum need = 1 << iota
	needMin
	needMax
	needLast
	needDistribution
)

// Parse returns the aggregate called name: sum, count, avg, min, max, last, increase, rate,
// histogram, or p0 to p100 with any decimals (p99.9).
func Parse(name string) (Aggregate, error) {
	for _, a := range []Aggregate{sum, count, avg, minimum, maximum, last, increase, rate, histogram} {
		if a.name == name {
			return a, nil
		}
	}
	if digits, ok := strings.CutPrefix(name, "p"); ok {
		if p, err := strconv.ParseFloat(digits, 64); err == nil && p >= 0 && p <= 100 && !strings.ContainsAny(digits, "eExX+-_") {
			return quantile(name, p/100), nil
		}
	}
	return Aggregate{}, fmt.Errorf("unknown aggregate %q: want sum, count, avg, min, max, last, increase, rate, histogram or a percentile such as p50 or p99.9", name)
}

func isNumber(k Kind) bool { return k <= Net }

func isIncrement(k Kind) bool { return k == Counter || k == Net }

func hasBuckets(k Kind) bool { return k == Histogram || k == Exponential }

func sameUnit(unit string) string { return unit }

// measurements is the unit of what is counted.
func measurements(string) string { return "{measurement}" }

// Plan is the data that a set of aggregates needs for one kind of stream, and their outputs.
type Plan struct {
	Kind    Kind
	Outputs []Output
	layout
}

// NewPlan combines aggregates for streams of kind k. It leaves out those that don't apply; without any output the plan needs no data. The
// outputs are in the order of the aggregates.
func NewPlan(aggregates []Aggregate, k Kind) *Plan {
	p := &Plan{Kind: k}
	var all need
	for _, a := range aggregates {
		needs, ok := a.needs(k)
		if !ok {
			continue
		}
		all |= needs
		out := a.out(k)
		out.Name = a.name
		p.Outputs = append(p.Outputs, out)
	}
	p.layout = newLayout(all, k)
	return p
}

// Find returns the output called name.
func (p *Plan) Find(name string) (Output, bool) {
	i := slices.IndexFunc(p.Outputs, func(o Output) bool { return o.Name == name })
	if i < 0 {
		return Output{}, false
	}
	return p.Outputs[i], true
}
