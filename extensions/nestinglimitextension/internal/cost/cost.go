// Package cost tells what decoding an OTLP request would cost, without decoding it and without recursion: how deeply it is nested, how
// much is in it, and about how many bytes of memory it would take.
package cost

import "fmt"

// Signal says which request a body is.
type Signal uint8

// The requests of OTLP. Other is any other message: its schema is unknown, so every field in it that could be a message counts as one.
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

// Limits bound a request. They are checked while it is read, so a request is read no further than to where it exceeds one.
type Limits struct {
	// Depth is how many messages (JSON: objects and arrays) may lie in each other.
	Depth int
	// Items is how many log records, spans or data points there may be.
	Items int
	// Resources and Scopes is how many of them there may be.
	Resources, Scopes int
	// Attributes is how many attributes one resource, scope, record, span or point may have, or entries one map.
	Attributes int
	// Size is about how many bytes of memory the decoded request may take.
	Size int
}

// Usage is what decoding a request would cost.
type Usage struct {
	Items, Resources, Scopes int
	// Size is about how many bytes the decoded request takes: never less than what is left of it after a garbage collection.
	Size int
}

// Exceeded says which limit a request exceeds. It holds nothing of the request.
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

// meter adds up what is found and compares it with the limits.
type meter struct {
	Usage
	limits Limits
}

// add counts one value of field f. attributes is how many the same owner has had before.
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
