package datapoint

// Step says how a point of a cumulative stream relates to the one before it.
type Step uint8

const (
	// Baseline: the stream's first point, and it began before we did. Its value
	// tells nothing about the increase since then. Remember it, count nothing.
	Baseline Step = iota
	// Begun: the stream's first point, and it began while we watched. The whole
	// value is increase.
	Begun
	// Grown: the same run goes on. The increase is the difference.
	Grown
	// Reset: the counter began again. The whole value is increase.
	Reset
	// Stale: not newer than the point before it, so a repetition, or a latecomer
	// whose increase its successor has brought already. Count nothing, keep what
	// is remembered.
	Stale
)

// String returns the step's name in lower case, as metric attributes use it.
func (s Step) String() string {
	switch s {
	case Baseline:
		return "baseline"
	case Begun:
		return "begun"
	case Grown:
		return "grown"
	case Reset:
		return "reset"
	case Stale:
		return "stale"
	default:
		return "unknown"
	}
}

// First decides the first point of a cumulative stream. All times are Unix
// nanoseconds. since is when the caller's state began (for a partition: when its
// first checkpoint was written); an observer that has seen the stream's whole
// life passes the smallest int64 there is.
//
// A start time that is missing (0) or equal to the point's own time is unknown
// in the sense of the OTLP data model, so the value may have grown for years:
// [Baseline].
func First(start, time, since int64) Step {
	if unknownStart(start, time) || start < since {
		return Baseline
	}
	return Begun
}

// Follow decides a later point of a cumulative stream. prevStart and prevTime are
// the start time and time of the newest point seen before, start and time are
// those of the point, all in Unix nanoseconds; fell is true if any part of
// the value (sum, count, a bucket) is below what it was then.
//
// A run ends only if the value fell, or if a later start time lies at or after the
// old run's last point. A start time that moves within the run is jitter: an
// exporter that computes it from an uptime, or a collector that restarted
// without the process it watches.
func Follow(prevStart, prevTime, start, time int64, fell bool) Step {
	switch {
	case time <= prevTime:
		return Stale
	case fell:
		return Reset
	case start > prevStart && start >= prevTime && !unknownStart(start, time):
		return Reset
	default:
		return Grown
	}
}

func unknownStart(start, time int64) bool { return start == 0 || start >= time }
