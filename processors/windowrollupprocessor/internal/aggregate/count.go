package aggregate

import "time"

// count is the number of measurements; for a sum, the number of points.
var count = Aggregate{
	name:  "count",
	needs: func(Kind) (need, bool) { return 0, true },
	out: func(Kind) Output {
		return Output{Form: Flow, Unit: measurements, Whole: true, Value: valueOfCount}
	},
}

func valueOfCount(c Cell, _ time.Duration) float64 { return float64(c.Count()) }
