package rollup

// Reason is why a point was not counted.
type Reason uint8

// The reasons.
const (
	Late          Reason = iota // its pane has closed
	Future                      // more than Settings.MaxFuture ahead of the clock
	NoTime                      // it has no time stamp
	NoValue                     // it has no value
	NotFinite                   // NaN or infinite
	Malformed                   // it contradicts itself, or claims more measurements than can be counted
	NoTemporality               // neither delta nor cumulative
	StreamLimit                 // max_streams or max_input_streams is reached
	Baseline                    // first point of a cumulative stream, from which later increases are measured
	Stale                       // of a cumulative stream, not newer than the previous point; a newer one contains its increase
	Repeated                    // of a delta stream, and another request had a point equal in start, time and value
	Reasons
)

// String returns the reason as in metric attributes.
func (r Reason) String() string {
	return [...]string{
		"late", "future", "no_time", "no_value", "not_finite", "malformed", "no_temporality", "stream_limit", "baseline", "stale", "delta_repeated",
	}[r]
}

// Outcome counts the results of a batch, in data points. Points is the sum of Unmatched, Rolled, Routed and Lost.
type Outcome struct {
	Points    int
	Unmatched int // no rule matches
	Rolled    int // counted in at least one pane
	Routed    int // late, marked and passed on
	Lost      int // counted in none

	// Why counts why a rule left out a point. A point that is late, or finds no room, counts once for each rule that left it out, even if
	// another rule counted it.
	Why       [Reasons]int
	Resets    int // cumulative points after a reset
	Folded    int // went into an overflow stream
	Corrected int // late, and corrected a window
	Coarsened int // histograms with measurements that were counted in a higher bucket
	// Histograms that were aggregated without their sum: it is not finite, or missing.
	SumNotFinite, NoSum int
	LateBy              map[string]int // points that were late for a rule, by metric; nil if there are none
}

// lose counts a point that no rule counts.
func (o *Outcome) lose(why Reason) {
	o.Lost++
	o.Why[why]++
}

// LateAttribute marks late points that are passed on.
const LateAttribute = "rollup.late"
