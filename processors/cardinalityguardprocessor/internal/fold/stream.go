package fold

import (
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
)

// Aggregation is how values of one overflow stream are combined.
type Aggregation uint8

// The aggregations. Last, Min, Max and Mean are for gauges.
const (
	// Delta adds values up within a pane.
	Delta Aggregation = iota
	// Running adds changes up without end; a pane's point is the total.
	Running
	Last
	Min
	Max
	Mean
)

// Identity describes an overflow stream.
type Identity struct {
	Key         streamkey.Key // of the whole
	Node        uint32        // the metric that it counts against
	Kind        Kind
	Aggregation Aggregation
	// Monotonic: the values of contributors only grow, and a fall is a reset. Otherwise a fall is an ordinary change.
	Monotonic bool
	// Owned streams count in the budget of their metric, not in the reserve for overflow.
	Owned bool
	// Tenant, and whether it came from client metadata, so that the points must be sent with it.
	Tenant     string
	FromClient bool
	// Template holds one resource, scope and metric with one point, which has attributes and no value. The stream owns it.
	Template pmetric.Metrics
	// Resource, Scope and Metric identify these parts, which templates share.
	Resource, Scope, Metric streamkey.Key
}

// Stream is an overflow stream. It belongs to one [Shard].
type Stream struct {
	Identity
	total Value // of closed panes; Running only
	start int64 // of the total
	seen  int64 // newest event time
	sent  bool  // a pane of it has closed, so start is final
	open  int   // panes with a part of it
	gone  bool  // expired, but contributors may still refer to it
}

// gauge reports whether the values of s apply only to their own time, and don't add up.
func (s *Stream) gauge() bool { return s.Aggregation >= Last }

// pane is a stream's part of one pane.
type pane struct {
	value     Value
	count     uint64 // number of points, for the mean
	time      int64  // time of the newest point, for the last
	exemplars pmetric.ExemplarSlice
}

// add merges a point or an increase.
func (p *pane) add(s *Stream, v Value, at int64) (coarsened bool) {
	p.count++
	first := p.count == 1
	switch s.Aggregation {
	case Last:
		if first || at >= p.time {
			p.value.Num = v.Num
		}
	case Min:
		if first || v.Num.Less(p.value.Num) {
			p.value.Num = v.Num
		}
	case Max:
		if first || p.value.Num.Less(v.Num) {
			p.value.Num = v.Num
		}
	default:
		coarsened = p.value.Add(v)
	}
	p.time = max(p.time, at)
	return coarsened
}

// write sets times and value of the last point of m, which has the stream's form.
func (d due) write(m pmetric.Metric) {
	v, begin := d.pane.value, d.start
	switch d.stream.Aggregation {
	case Running:
		v, begin = d.total, d.stream.start
	case Mean:
		v.Num = datapoint.Float(v.Num.Float64() / float64(max(d.pane.count, 1)))
	}
	stamp(m, begin, d.end-1, v, d.pane.exemplars)
}
