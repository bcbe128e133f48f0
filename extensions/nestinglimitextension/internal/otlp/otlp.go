// Package otlp reads OTLP requests item by item, so that an unreadable item costs no other item. It converts JSON to protobuf: so the accepted
// forms of OTLP's JSON are defined in one place, and decoders see one format only.
package otlp

import (
	"errors"
	"fmt"
	"strings"
)

// Signal is the kind of request in a body.
type Signal uint8

// The requests of OTLP that have a schema here.
const (
	Logs Signal = iota + 1
	Metrics
	Traces
)

func (s Signal) root() *message {
	switch s {
	case Logs:
		return logsRequest
	case Metrics:
		return metricsRequest
	default:
		return tracesRequest
	}
}

// rejectedName is the JSON name of the number of rejected items in a partial success.
func (s Signal) rejectedName() string {
	switch s {
	case Logs:
		return "rejectedLogRecords"
	case Metrics:
		return "rejectedDataPoints"
	default:
		return "rejectedSpans"
	}
}

// Limits bound a request.
type Limits struct {
	// Depth is how deeply messages may be nested, including the request.
	Depth int
	// Attributes is the largest number of attributes of one owner, or of entries of one map.
	Attributes int
	// Size is how many bytes a request may have as protobuf.
	Size int
}

// Reason is why an item is rejected; it is the value of the counter's attribute.
type Reason string

// The reasons for which an item is rejected.
const (
	Malformed  Reason = "malformed"
	Depth      Reason = "depth"
	Attributes Reason = "attributes"
	Size       Reason = "item_size"
)

// Errors about a request as a whole.
var (
	// ErrJSON says that a text is not JSON.
	ErrJSON = errors.New("the request is not valid JSON")
	// ErrTooDeep says that a text nests more objects and arrays than any request needs.
	ErrTooDeep = errors.New("the request is nested too deeply (max_depth)")
	// ErrTooLarge says that a request has too many bytes as protobuf.
	ErrTooLarge = errors.New("the request is too large as protobuf (max_request_size)")
	// ErrProtobuf says that the frame of a request, around its items, is malformed.
	ErrProtobuf = errors.New("the request is not a valid message of OTLP")
)

// maxNamed is how many rejected items the message of a partial success names.
const maxNamed = 10

// Rejected are the items that were left out of a request. The zero value is none.
type Rejected struct {
	// Items is the number of log records, spans or data points. An item that can't be found in a malformed container is not counted.
	Items int
	// ByReason is the number for each reason.
	ByReason map[Reason]int
	first    Reason
	causes   []string // where and why, at most maxNamed
	more     int      // causes beyond those
}

// Any says whether anything was left out.
func (r *Rejected) Any() bool { return len(r.causes) > 0 }

// First is the reason of the first rejected item.
func (r *Rejected) First() Reason { return r.first }

// Message names the rejected items and the reasons. It repeats no value of the request.
func (r *Rejected) Message() string {
	text := strings.Join(r.causes, "; ")
	if r.more > 0 {
		text += fmt.Sprintf("; and %d more", r.more)
	}
	return text
}

func (r *Rejected) add(f *fault, items int) {
	r.Items += items
	if r.ByReason == nil {
		r.ByReason, r.first = map[Reason]int{}, f.reason
	}
	r.ByReason[f.reason] += items
	if len(r.causes) < maxNamed {
		r.causes = append(r.causes, f.where+" "+f.what)
	} else {
		r.more++
	}
}

// fault is why something can't be read, and its position.
type fault struct {
	reason Reason
	where  string
	what   string
}

func (f *fault) Error() string { return f.where + " " + f.what }

func tooDeep(limit int) *fault {
	return &fault{reason: Depth, what: fmt.Sprintf("is nested more than %d deep (max_depth)", limit)}
}

func tooMany(limit int) *fault {
	return &fault{reason: Attributes, what: fmt.Sprintf("has more than %d attributes in one place (max_attributes)", limit)}
}

func wrong(what string) *fault { return &fault{reason: Malformed, what: what} }
