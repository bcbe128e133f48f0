package aggregate_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/sketch"
)

func plan(t testing.TB, k aggregate.Kind, names ...string) *aggregate.Plan {
	t.Helper()
	var all []aggregate.Aggregate
	for _, name := range names {
		a, err := aggregate.Parse(name)
		require.NoError(t, err)
		all = append(all, a)
	}
	return aggregate.NewPlan(all, k)
}

// cellOf returns an empty cell with memory of its own.
func cellOf(p *aggregate.Plan) aggregate.Cell {
	return p.Cell(make([]uint64, p.Words), &sketch.Sketch{}, &datapoint.Histogram{})
}

func value(t testing.TB, p *aggregate.Plan, c aggregate.Cell, name string) float64 {
	t.Helper()
	out, ok := p.Find(name)
	require.True(t, ok, name)
	return out.Value(c, time.Minute)
}

func TestParse(t *testing.T) {
	for _, name := range []string{"sum", "count", "avg", "min", "max", "last", "increase", "rate", "histogram", "p0", "p50", "p99.9", "p99.999", "p100"} {
		a, err := aggregate.Parse(name)
		require.NoError(t, err)
		assert.Equal(t, name, a.Name())
	}
	for _, name := range []string{"", "p", "median", "p-1", "p101", "p1e1", "p+5", "p0x5", "pInf", "pNaN", "P50"} {
		_, err := aggregate.Parse(name)
		assert.ErrorContains(t, err, fmt.Sprintf("%q", name))
	}
}

// A plan remembers only what its outputs need, eight bytes each in addition to the number of points.
func TestPlanIsAsSmallAsCanBe(t *testing.T) {
	for _, c := range []struct {
		kind  aggregate.Kind
		names []string
		words int
	}{
		{aggregate.Gauge, []string{"count"}, 1},
		{aggregate.Counter, []string{"sum", "count", "increase", "rate"}, 2},
		{aggregate.Gauge, []string{"avg", "min", "max"}, 4},
		{aggregate.Gauge, []string{"last"}, 3},
		{aggregate.Histogram, []string{"count"}, 2},
		{aggregate.Summary, []string{"sum", "rate"}, 3},
	} {
		assert.Equal(t, c.words, plan(t, c.kind, c.names...).Words, "%v %v", c.kind, c.names)
	}
	assert.Empty(t, plan(t, aggregate.Summary, "p50", "min").Outputs, "a summary tells neither")
	assert.Empty(t, plan(t, aggregate.Counter, "avg", "p50").Outputs, "increments are no measurements")
}

// Merging cells is the same as adding everything to one, and so are cells that were written and read again.
func TestMerge(t *testing.T) {
	p := plan(t, aggregate.Gauge, "sum", "count", "avg", "min", "max", "last", "p50", "histogram")
	whole, left, right := cellOf(p), cellOf(p), cellOf(p)
	for i := range 20 {
		part := left
		if i%3 == 0 {
			part = right
		}
		v := float64((i*7)%20) - 5
		whole.Number(v, v, int64(i%10), 160)
		part.Number(v, v, int64(i%10), 160)
	}
	back := cellOf(p)
	rest, err := back.Decode(append(right.Append(nil), 'x'))
	require.NoError(t, err)
	assert.Equal(t, "x", string(rest))
	left.Merge(back, 160)
	assert.Equal(t, whole.Append(nil), left.Append(nil))
	empty := cellOf(p)
	left.Merge(empty, 160)
	assert.Equal(t, whole.Append(nil), left.Append(nil))
	empty.Merge(whole, 160)
	assert.Equal(t, whole.Append(nil), empty.Append(nil))
	for cut := range whole.Append(nil) {
		_, err := cellOf(p).Decode(whole.Append(nil)[:cut])
		assert.Error(t, err)
	}
}

func TestRateIsPerSecondOfTheWindow(t *testing.T) {
	p := plan(t, aggregate.Counter, "increase", "rate")
	c := cellOf(p)
	c.Number(90, 90, 1, 160)
	c.Number(30, 120, 2, 160)
	assert.InDelta(t, 120, value(t, p, c, "increase"), 0)
	assert.InDelta(t, 2, value(t, p, c, "rate"), 0)
	for unit, want := range map[string]string{"": "1/s", "By": "By/s", "{request}": "{request}/s"} {
		out, _ := p.Find("rate")
		assert.Equal(t, want, out.Unit(unit))
	}
}

// Buckets are treated as evenly filled; open ones at an end are bounded by the extrema, if these are known.
func TestQuantileOfBuckets(t *testing.T) {
	bounds := []float64{10, 20, 40}
	for name, c := range map[string]struct {
		counts   []uint64
		min, max float64 // 0: unknown
		q        string
		want     float64
	}{
		"in the middle":          {[]uint64{0, 4, 0, 0}, 0, 0, "p50", 15},
		"first from zero":        {[]uint64{4, 0, 0, 0}, 0, 0, "p50", 5},
		"first from the least":   {[]uint64{4, 0, 0, 0}, 6, 0, "p50", 8},
		"last is its bound":      {[]uint64{0, 0, 0, 4}, 0, 0, "p99", 40},
		"last to the greatest":   {[]uint64{0, 0, 0, 4}, 0, 60, "p50", 50},
		"over empty ones":        {[]uint64{2, 0, 2, 0}, 0, 0, "p75", 30},
		"not below the least":    {[]uint64{0, 4, 0, 0}, 14, 19, "p0", 14},
		"not above the greatest": {[]uint64{0, 4, 0, 0}, 14, 19, "p100", 19},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(t, aggregate.Histogram, c.q)
			cell := cellOf(p)
			h := datapoint.Histogram{Bounds: bounds, Counts: c.counts}
			for _, n := range c.counts {
				h.Count += n
			}
			h.Min, h.HasMin, h.Max, h.HasMax = c.min, c.min != 0, c.max, c.max != 0
			cell.Explicit(h)
			assert.InDelta(t, c.want, value(t, p, cell, c.q), 1e-12)
		})
	}
	p := plan(t, aggregate.Histogram, "p50", "avg", "min", "max")
	for _, name := range []string{"p50", "avg", "min", "max"} {
		c := cellOf(p)
		c.Explicit(datapoint.Histogram{Bounds: bounds, Counts: make([]uint64, 4)})
		assert.True(t, math.IsNaN(value(t, p, c, name)), "%s of nothing", name)
	}
}

func Example() {
	var wanted []aggregate.Aggregate
	for _, name := range []string{"avg", "max", "p99"} {
		a, _ := aggregate.Parse(name)
		wanted = append(wanted, a)
	}
	p := aggregate.NewPlan(wanted, aggregate.Gauge)
	minute := p.Cell(make([]uint64, p.Words), &sketch.Sketch{}, nil)
	for i := range 100 {
		minute.Number(float64(i), float64(i), int64(i), sketch.DefaultMaxBuckets)
	}
	hour := p.Cell(make([]uint64, p.Words), &sketch.Sketch{}, nil)
	hour.Merge(minute, sketch.DefaultMaxBuckets)
	for _, out := range p.Outputs {
		fmt.Printf("%s %.1f\n", out.Name, out.Value(hour, time.Hour))
	}
	// Output:
	// avg 49.5
	// max 99.0
	// p99 98.2
}
