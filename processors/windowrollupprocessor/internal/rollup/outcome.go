package rollup

// Reason says why a point was not rolled up.
type Reason uint8

// The reasons.
const (
	Late          Reason = iota // its pane has closed
	Future                      // further ahead of the clock than Settings.MaxFuture
	NoTime                      // it has no time stamp
	NoValue                     // it says that there is no value
	NotFinite                   // NaN or infinite
	Malformed                   // it contradicts itself, or tells of more measurements than anything can count
	NoTemporality               // neither delta nor cumulative
	StreamLimit                 // no room for one more stream
	Baseline                    // of a cumulative stream, the point that later ones are measured by
	Stale                       // of a cumulative stream, not newer than the one before; a newer one has its increase
	Repeated                    // of a delta stream, and another request had it, equal in start, time and value
	Reasons
)

// String returns the reason as metric attributes use it.
func (r Reason) String() string {
	return [...]string{
		"late", "future", "no_time", "no_value", "not_finite", "malformed", "no_temporality", "stream_limit", "baseline", "stale", "delta_repeated",
	}[r]
}

// Outcome counts what became of a batch, in data points. Points is the sum of Unmatched, Rolled, Routed and Lost.
type Outcome struct {
	Points    int
	Unmatched int // no rule wants it
	Rolled    int // went into at least one pane
	Routed    int // late, marked and passed on
	Lost      int // went into none

	// Why tells why a rule did not get a point. A point that is late, or finds no room, counts once for each rule that has
	// to do without it, also where another one took it.
	Why       [Reasons]int
	Resets    int // cumulative points that began again
	Folded    int // went into an overflow stream
	Corrected int // late, and corrected a window
	Coarsened int // histograms of which measurements went to a higher bucket
	// Histograms that were rolled up without their sum: it is not finite, or there is none.
	SumNotFinite, NoSum int
	LateBy              map[string]int // points that were late for a rule, by metric; nil if there are none
}

// lose counts a point that no rule gets.
func (o *Outcome) lose(why Reason) {
	o.Lost++
	o.Why[why]++
}

// LateAttribute marks late points that are passed on.
const LateAttribute = "rollup.late"
