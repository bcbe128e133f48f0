// Package origin tells which record of the journal each resource of a batch of metrics came in.
//
// A follower joins the records of a range into one batch, and a second reading can cut the ranges elsewhere. What must come
// out the same both times goes by records: two points of one record never repeat each other, and of two values for one
// millisecond the last of a record counts. Processors that take points or resources out of a batch, in place, don't disturb
// it. Resources that a processor has put in are records of their own.
package origin

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Record is a record of the journal, as far as one batch is concerned.
type Record struct {
	// Number tells the records of a batch apart, ascending from 1.
	Number int
	// Deduplicated: had the record repeated another one, the follower would have left it out.
	Deduplicated bool
}

// Part is how many of a batch's resources came in one record, the next ones of the batch.
type Part struct {
	Resources    int
	Deduplicated bool
}

type (
	originKey   struct{}
	requestsKey struct{}
)

// origins are the resources of a batch in order, and the record of each.
type origins struct {
	resources []pmetric.ResourceMetrics
	records   []Record
}

// With returns a context under which md travels, whose resources came in the records that parts describes, in order. What
// is behind the last part has no known record.
func With(ctx context.Context, md pmetric.Metrics, parts []Part) context.Context {
	o := &origins{}
	next := 0
	for i, p := range parts {
		for range p.Resources {
			o.resources = append(o.resources, md.ResourceMetrics().At(next))
			o.records = append(o.records, Record{Number: i + 1, Deduplicated: p.Deduplicated})
			next++
		}
	}
	return context.WithValue(ctx, originKey{}, o)
}

// Moved returns a context under which md travels, whose resources have these records: what [Of] returned for a batch of which
// md is a copy.
func Moved(ctx context.Context, md pmetric.Metrics, records []Record) context.Context {
	o := &origins{records: records}
	for _, rm := range md.ResourceMetrics().All() {
		o.resources = append(o.resources, rm)
	}
	return context.WithValue(ctx, originKey{}, o)
}

// Of returns the record of each resource of md, in their order; nil where the batch did not come out of a journal. Resources
// that no record is known of have one each, that was not de-duplicated.
func Of(ctx context.Context, md pmetric.Metrics) []Record {
	o, ok := ctx.Value(originKey{}).(*origins)
	if !ok {
		return nil
	}
	records := make([]Record, 0, md.ResourceMetrics().Len())
	var places map[pmetric.ResourceMetrics]int // made when a resource is not where it is expected
	number, at := 0, 0                         // number is the greatest of a record, at the place of the next resource if none is missing
	if n := len(o.records); n > 0 {
		number = o.records[n-1].Number
	}
	for _, rm := range md.ResourceMetrics().All() {
		if at >= len(o.resources) || o.resources[at] != rm {
			if places == nil {
				places = make(map[pmetric.ResourceMetrics]int, len(o.resources))
				for i, known := range o.resources {
					places[known] = i
				}
			}
			var ok bool
			if at, ok = places[rm]; !ok {
				number++
				records, at = append(records, Record{Number: number}), len(o.resources)
				continue
			}
		}
		records = append(records, o.records[at])
		at++
	}
	return records
}

// WithRequests returns a context for a batch that is still in requests: deduplicated says of each whether its record took
// part in de-duplication.
func WithRequests(ctx context.Context, deduplicated []bool) context.Context {
	return context.WithValue(ctx, requestsKey{}, deduplicated)
}

// Deduplicated says whether the i-th request of the batch took part in de-duplication.
func Deduplicated(ctx context.Context, i int) bool {
	all, ok := ctx.Value(requestsKey{}).([]bool)
	return ok && i < len(all) && all[i]
}
