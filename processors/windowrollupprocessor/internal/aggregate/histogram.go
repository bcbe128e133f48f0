package aggregate

// histogram is the distribution itself: exponential for numbers and exponential histograms, else
// with the bounds of the source.
var histogram = Aggregate{
	name: "histogram",
	needs: func(k Kind) (need, bool) {
		return needDistribution | needSum | needMin | needMax, k == Gauge || hasBuckets(k)
	},
	out: func(Kind) Output { return Output{Form: Distribution, Unit: sameUnit} },
}
