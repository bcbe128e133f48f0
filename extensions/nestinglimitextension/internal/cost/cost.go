// Package cost computes the cost of decoding an OTLP request, without decoding it and without recursion: how deeply it is nested, how many elements
// it has, and about how many bytes of memory it would take.
package cost

import "fmt"

// Signal is the kind of request in a body.
type Signal uint8

// The requests of OTLP. Other is any other message: its schema is unknown, so every field that could be a message counts as one.
const (
	Other Signal = iota
	Logs
	Metrics
	Traces
)

// Reason names the limit that a request exceeds; it is the value of the counter's attribute.
type Reason string

// The reasons for which a request is refused.
const (
	Depth      Reason = "depth"
	Items      Reason = "items"
	Resources  Reason = "resources"
	Scopes     Reason = "scopes"
	Attributes Reason = "attributes"
	Size       Reason = "decoded_size"
)

// Limits bound a request. They are checked while it is read, so reading stops where a limit is exceeded.
type Limits struct {
	// Depth is how deeply messages (JSON: objects and arrays) may be nested.
	Depth int
	// Items is the largest number of log records, spans or data points.
	Items int
	// Resources and Scopes are their largest numbers.
	Resources, Scopes int
	// Attributes is the largest number of attributes of one resource, scope, record, span or point, or of entries of one map.
	Attributes int
	// Size is the estimated memory in bytes that the decoded request may take.
	Size int
}

// Usage is the cost of decoding a request.
type Usage struct {
	Items, Resources, Scopes int
	// Size is the estimated size of the decoded request in bytes: never less than its size after a garbage collection.
	Size int
}

// Exceeded says which limit a request exceeds. It contains nothing of the request.
type Exceeded struct {
	Reason Reason
	Limit  int
}

func (e *Exceeded) Error() string {
	switch e.Reason {
	case Depth:
		return fmt.Sprintf("the request is nested more than %d deep (max_depth)", e.Limit)
	case Items:
		return fmt.Sprintf("the request has more than %d records, spans or data points (max_items)", e.Limit)
	case Resources:
		return fmt.Sprintf("the request has more than %d resources (max_resources)", e.Limit)
	case Scopes:
		return fmt.Sprintf("the request has more than %d scopes (max_scopes)", e.Limit)
	case Attributes:
		return fmt.Sprintf("the request has more than %d attributes in one place (max_attributes)", e.Limit)
	default:
		return fmt.Sprintf("the request would take more than %d bytes of memory when it is decoded (max_decoded_size)", e.Limit)
	}
}

// meter adds up the elements found and compares them with the limits.
type meter struct {
	Usage
	limits Limits
}

// add counts one value of field f. attributes is how many the same owner had before.
func (m *meter) add(f *field, attributes int) error {
	m.Size += int(f.size)
	switch f.counts {
	case item:
		m.Items++
		if m.Items > m.limits.Items {
			return &Exceeded{Items, m.limits.Items}
		}
	case resource:
		m.Resources++
		if m.Resources > m.limits.Resources {
			return &Exceeded{Resources, m.limits.Resources}
		}
	case scope:
		m.Scopes++
		if m.Scopes > m.limits.Scopes {
			return &Exceeded{Scopes, m.limits.Scopes}
		}
	case attribute:
		if attributes >= m.limits.Attributes {
			return &Exceeded{Attributes, m.limits.Attributes}
		}
	}
	return nil
}

func (m *meter) tooLarge() error {
	if m.Size > m.limits.Size {
		return &Exceeded{Size, m.limits.Size}
	}
	return nil
}
