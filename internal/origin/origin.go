// Package origin records which record of the journal each resource of a batch of metrics came from.
//
// A follower joins the records of a range into one batch, and a second reading can cut the ranges elsewhere. Results that must be equal both times
// depend on records: two points of one record never repeat each other, and of two values for one millisecond the last of a record counts.
// Processors may remove points or resources of a batch in place. A resource that a processor adds is its own record.
package origin

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Record is a record of the journal, within one batch.
type Record struct {
	// Number distinguishes the records of a batch, ascending from 1.
	Number int
	// Deduplicated says that the follower would have left the record out if it repeated another one.
	Deduplicated bool
}

// Part is the number of a batch's resources that came in one record, consecutive in the batch.
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

// With returns a context for md, whose resources came in the records that parts describes, in order. Resources after the last part have no known
// record.
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

// Moved returns a context for md, whose resources have these records: the result of [Of] for a batch of which md is a copy.
func Moved(ctx context.Context, md pmetric.Metrics, records []Record) context.Context {
	o := &origins{records: records}
	for _, rm := range md.ResourceMetrics().All() {
		o.resources = append(o.resources, rm)
	}
	return context.WithValue(ctx, originKey{}, o)
}

// Of returns the record of each resource of md, in their order; nil if the batch did not come from a journal. Each resource without a known record
// gets its own, which was not de-duplicated.
func Of(ctx context.Context, md pmetric.Metrics) []Record {
	o, ok := ctx.Value(originKey{}).(*origins)
	if !ok {
		return nil
	}
	records := make([]Record, 0, md.ResourceMetrics().Len())
	var places map[pmetric.ResourceMetrics]int // created if a resource is not at its expected position
	number, at := 0, 0                         // number is the greatest of a record, at the position of the next resource if none is missing
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

// WithRequests returns a context for a batch of requests: deduplicated says for each whether its record took part in de-duplication.
func WithRequests(ctx context.Context, deduplicated []bool) context.Context {
	return context.WithValue(ctx, requestsKey{}, deduplicated)
}

// Deduplicated says whether the i-th request of the batch took part in de-duplication.
func Deduplicated(ctx context.Context, i int) bool {
	all, ok := ctx.Value(requestsKey{}).([]bool)
	return ok && i < len(all) && all[i]
}
