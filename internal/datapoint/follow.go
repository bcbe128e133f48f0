package datapoint

// Step says how a point of a cumulative stream relates to the one before it.
type Step uint8

const (
	// Baseline: the stream's first point, and the stream began before the observer. Its value says nothing about the increase since then. Remember
	// it, count nothing.
	Baseline Step = iota
	// Begun: the stream's first point, and the stream began while the observer was watching. The whole value is increase.
	Begun
	// Grown: the same run continues. The increase is the difference.
	Grown
	// Reset: the counter restarted. The whole value is increase.
	Reset
	// Stale: not newer than the previous point: a repetition, or a late point whose increase its successor already included. Count nothing, keep
	// the remembered value.
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

// First classifies the first point of a cumulative stream. All times are Unix nanoseconds. since is when the caller's state began (for a partition:
// when its first checkpoint was written); an observer that has seen the stream's whole life passes the smallest int64.
//
// A start time that is missing (0) or equal to the point's own time is unknown in the sense of the OTLP data model, so the value may have grown for
// years: [Baseline].
func First(start, time, since int64) Step {
	if unknownStart(start, time) || start < since {
		return Baseline
	}
	return Begun
}

// Follow classifies a later point of a cumulative stream. prevStart and prevTime are the start time and time of the newest point seen before, start
// and time are those of the point, all in Unix nanoseconds; fell is true if any part of the value (sum, count, a bucket) is less than it was then.
//
// A run ends only if the value fell, or if a later start time is at or after the old run's last point. A start time that moves within the run is
// jitter: an exporter that computes it from an uptime, or a collector that restarted without the process it watches.
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
