package fold

import (
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
)

// Point is a data point to fold.
type Point struct {
	Key         streamkey.Key // key of its stream
	Start, Time int64         // Unix nanoseconds
	Value       Value
	Exemplars   pmetric.ExemplarSlice
	// Since: an unknown cumulative stream that began before it may have been counted before.
	Since int64
}

// Refusal is why a point was not folded. A refused point changes nothing.
type Refusal uint8

// The refusals.
const (
	Taken     Refusal = iota // not refused
	NotFinite                // a value that is NaN or infinite, or would make the total so, which would stay in it forever
	TooMany                  // the count of a histogram would exceed 64 bits
	Negative                 // a negative increase of a monotonic stream
	TooLate                  // a gauge whose pane is closed, past maxLate
)

// Outcome is the result for a point.
type Outcome struct {
	Step      datapoint.Step // of a Running aggregation; Grown otherwise
	Refusal   Refusal
	Late      bool // its pane was closed: a later one has it, or, for a gauge, an additional point
	Coarsened bool // histograms with different bounds: resolution was lost
	Evicted   int  // how many other contributors were forgotten to make room
	// The sum of the overflow stream lacks the point's sum: it was not finite, or the point has none but others do.
	SumNotFinite, NoSum bool
}
