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

// Outcome says what became of a point.
type Outcome struct {
	Step      datapoint.Step // of a Running aggregation; else Grown
	Unknown   bool           // the increase can't be known and is lost, for another reason than Step's
	Late      bool           // its pane was closed: a later one has it
	Coarsened bool           // histograms with different bounds: resolution was lost
	Evicted   int            // how many other contributors were forgotten for it
	Refused   bool           // a Running aggregation got a value that is not finite: nothing has changed
}
