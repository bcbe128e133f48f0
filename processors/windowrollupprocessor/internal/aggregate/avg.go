package aggregate

import "time"

// avg is the mean of the measurements.
var avg = Aggregate{
	name:  "avg",
	needs: func(k Kind) (need, bool) { return needSum, !isIncrement(k) },
	out: func(Kind) Output {
		return Output{Unit: sameUnit, Value: func(c Cell, _ time.Duration) float64 {
			return c.float(c.sum) / float64(c.Count()) // 0/0 is NaN: no value
		}}
	},
}
