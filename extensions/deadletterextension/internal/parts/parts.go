// Package parts divides an OTLP export request into requests with some of its items: log records, data points or spans.
package parts

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// Signal is a kind of telemetry, by its name in files and metrics.
type Signal string

// The signals of OTLP. A request of profiles counts as one item, because its profiles share tables.
const (
	Logs     Signal = "logs"
	Metrics  Signal = "metrics"
	Traces   Signal = "traces"
	Profiles Signal = "profiles"
)

// Range is the items from From up to To, To excluded.
type Range struct{ From, To int }

// Len is the number of items.
func (r Range) Len() int { return r.To - r.From }

// Halves divides a range of at least two items.
func (r Range) Halves() (Range, Range) {
	middle := r.From + r.Len()/2
	return Range{r.From, middle}, Range{middle, r.To}
}

// Batch is a decoded request. It is not safe for concurrent use.
type Batch struct {
	// Items is how many items the request has.
	Items int

	encode func(Selection) ([]byte, error)
}

// Encode returns a request with the items of ranges, which are in order and do not overlap, and the resources, scopes and metrics of these items.
// It leaves the batch unchanged; memory: a copy of those items and their encoding.
func (b *Batch) Encode(ranges ...Range) ([]byte, error) { return b.encode(ranges) }

// Selection is ranges in order.
type Selection []Range

// within returns the parts of the selection that lie in n items from first on, relative to first.
func (s Selection) within(first, n int) Selection {
	var in Selection
	for _, r := range s {
		from, to := max(r.From-first, 0), min(r.To-first, n)
		if from < to {
			in = append(in, Range{from, to})
		}
	}
	return in
}

// Decode reads an export request in protobuf.
func Decode(signal Signal, body []byte) (*Batch, error) {
	switch signal {
	case Logs:
		req := plogotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			return nil, err
		}
		return &Batch{Items: req.Logs().LogRecordCount(), encode: func(s Selection) ([]byte, error) {
			return plogotlp.NewExportRequestFromLogs(selectLogs(req.Logs(), s)).MarshalProto()
		}}, nil
	case Metrics:
		req := pmetricotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			return nil, err
		}
		return &Batch{Items: req.Metrics().DataPointCount(), encode: func(s Selection) ([]byte, error) {
			return pmetricotlp.NewExportRequestFromMetrics(selectMetrics(req.Metrics(), s)).MarshalProto()
		}}, nil
	case Traces:
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			return nil, err
		}
		return &Batch{Items: req.Traces().SpanCount(), encode: func(s Selection) ([]byte, error) {
			return ptraceotlp.NewExportRequestFromTraces(selectTraces(req.Traces(), s)).MarshalProto()
		}}, nil
	case Profiles:
		return &Batch{Items: 1, encode: func(Selection) ([]byte, error) { return body, nil }}, nil
	}
	return nil, fmt.Errorf("unknown signal %q", signal)
}
