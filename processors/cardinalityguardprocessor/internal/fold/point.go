package fold

import (
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
)

// Point is a data point to fold.
type Point struct {
	Key         streamkey.Key // of the stream that it came from
	Start, Time int64         // Unix nanoseconds
	Value       Value
	Exemplars   pmetric.ExemplarSlice
	// Since: an unknown cumulative stream that began before this may have been counted before.
	Since int64
}

// Refusal is why a point was not folded. A refused point changes nothing.
type Refusal uint8

// The refusals.
const (
	Taken     Refusal = iota // it was folded
	NotFinite                // a value that is NaN or infinite, or would make the total so: it would stay in it for ever
	TooMany                  // the count of a histogram would pass 64 bits
	Negative                 // an increase below 0 of what only grows
	TooLate                  // a gauge whose pane is closed, and there are too many of them
)

// Outcome says what became of a point.
type Outcome struct {
	Step      datapoint.Step // of a Running aggregation; else Grown
	Refusal   Refusal
	Late      bool // its pane was closed: a later one has it, or, of a gauge, a point of its own time
	Coarsened bool // histograms with different bounds: resolution was lost
	Evicted   int  // how many other contributors were forgotten for it
	// The sum of the overflow stream lacks the point's: it was not finite, or the point tells none and others do.
	SumNotFinite, NoSum bool
}
