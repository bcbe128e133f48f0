package aggregate

import "time"

// last is the newest value by event time: the measurement, or the running total of a cumulative sum. Of several streams in a group, or
// several points with one time, it is the greatest.
var last = Aggregate{
	name:  "last",
	needs: func(k Kind) (need, bool) { return needLast, k == Gauge || k == Counter },
	out: func(Kind) Output {
		return Output{Unit: sameUnit, Value: func(c Cell, _ time.Duration) float64 { return c.float(c.last) }}
	},
}
