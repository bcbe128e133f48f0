package aggregate

import (
	"math"
	"time"
)

// maximum is the greatest measurement; see minimum.
var maximum = Aggregate{
	name:  "max",
	needs: func(k Kind) (need, bool) { return needMax, k == Gauge || hasBuckets(k) },
	out: func(Kind) Output {
		return Output{Unit: sameUnit, Value: func(c Cell, _ time.Duration) float64 {
			if c.Count() == 0 {
				return math.NaN()
			}
			return c.float(c.max)
		}}
	},
}
