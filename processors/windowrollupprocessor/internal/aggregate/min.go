package aggregate

import (
	"math"
	"time"
)

// minimum is the least measurement. Histograms have it only if their points have one, so not cumulative ones.
var minimum = Aggregate{
	name:  "min",
	needs: func(k Kind) (need, bool) { return needMin, k == Gauge || hasBuckets(k) },
	out: func(Kind) Output {
		return Output{Unit: sameUnit, Value: func(c Cell, _ time.Duration) float64 {
			if c.Count() == 0 {
				return math.NaN()
			}
			return c.float(c.min)
		}}
	},
}
