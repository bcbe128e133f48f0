package aggregate

import "time"

// rate is the increase divided by the window's whole length in seconds.
var rate = Aggregate{
	name:  "rate",
	needs: increase.needs,
	out: func(k Kind) Output {
		grown := increase.out(k)
		return Output{
			Unit:  func(unit string) string { return perSecond(grown.Unit(unit)) },
			Value: func(c Cell, window time.Duration) float64 { return grown.Value(c, window) / window.Seconds() },
		}
	},
}

func perSecond(unit string) string {
	if unit == "" {
		unit = "1"
	}
	return unit + "/s"
}
