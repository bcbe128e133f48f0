package aggregate

// increase is the growth of a counter, or of the count of a histogram or summary.
var increase = Aggregate{
	name: "increase",
	needs: func(k Kind) (need, bool) {
		if isIncrement(k) {
			return needSum, true
		}
		return 0, k != Gauge
	},
	out: func(k Kind) Output {
		switch k {
		case Counter:
			return Output{Form: Flow, Unit: sameUnit, Value: valueOfSum}
		case Net:
			return Output{Form: NetFlow, Unit: sameUnit, Value: valueOfSum}
		default:
			return Output{Form: Flow, Unit: measurements, Whole: true, Value: valueOfCount}
		}
	},
}
