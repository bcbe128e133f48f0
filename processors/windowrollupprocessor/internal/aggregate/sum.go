package aggregate

import "time"

// sum adds up measurements, or increments.
var sum = Aggregate{
	name:  "sum",
	needs: func(Kind) (need, bool) { return needSum, true },
	out: func(k Kind) Output {
		out := Output{Form: NetFlow, Unit: sameUnit, Value: valueOfSum}
		switch k {
		case Gauge:
			out.Form = Level
		case Counter:
			out.Form = Flow
		}
		return out
	},
}

func valueOfSum(c Cell, _ time.Duration) float64 { return c.float(c.sum) }
