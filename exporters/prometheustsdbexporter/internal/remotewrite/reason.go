package remotewrite

import (
	"net/http"
	"strings"
)

// Reason is why a receiver refused samples.
type Reason string

// The reasons.
const (
	BadRequest   Reason = "bad_request"   // 400 with a text that none of the others matches
	BadHistogram Reason = "bad_histogram" // a native histogram that contradicts itself
	Duplicate    Reason = "duplicate"     // another value at that time is stored
	Future       Reason = "future"        // too far ahead
	Invalid      Reason = "invalid"       // labels or names that the receiver doesn't take
	Limit        Reason = "limit"         // a limit of the tenant, on series most of all
	OutOfBounds  Reason = "out_of_bounds" // older than the receiver's head
	OutOfOrder   Reason = "out_of_order"  // older than what the series has
	TooLarge     Reason = "too_large"     // 413
	TooOld       Reason = "too_old"       // older than the receiver's out-of-order window
	Unsupported  Reason = "unsupported"   // version 1.0 can't carry it
	Unconfirmed  Reason = "unconfirmed"   // 2.0 was answered with success for fewer samples than were sent
)

// texts are what receivers write: Prometheus (storage/errors), Mimir and Cortex (err-mimir-*), Thanos, VictoriaMetrics.
// The first that is found wins, so the special ones come first.
var texts = []struct {
	part   string
	reason Reason
}{
	{"too far in the future", Future},
	{"too-far-in-future", Future},
	{"too old sample", TooOld},
	{"sample-timestamp-too-old", TooOld},
	{"sample-too-old", TooOld},
	{"too far in the past", TooOld},
	{"duplicate sample", Duplicate},
	{"sample-duplicate-timestamp", Duplicate},
	{"new-value-for-timestamp", Duplicate},
	{"out of order", OutOfOrder},
	{"out-of-order", OutOfOrder},
	{"out of bounds", OutOfBounds},
	{"max-series", Limit},
	{"max_series", Limit},
	{"limit", Limit},
	{"too large", TooLarge},
	{"histogram", BadHistogram},
	{"invalid", Invalid},
	{"label", Invalid},
	{"missing-metric-name", Invalid},
}

// ReasonOf tells why a request was refused, with a status that is a verdict on the data.
func ReasonOf(status int, body string) Reason {
	if status == http.StatusRequestEntityTooLarge {
		return TooLarge
	}
	body = strings.ToLower(body)
	for _, t := range texts {
		if strings.Contains(body, t.part) {
			return t.reason
		}
	}
	return BadRequest
}

// ofOneSample reports whether r is about the time or the form of single samples, so that the others of the request may be
// taken.
func (r Reason) ofOneSample() bool {
	switch r {
	case Duplicate, Future, BadHistogram, OutOfBounds, OutOfOrder, TooOld:
		return true
	}
	return false
}

// OfOlderSample reports whether r is what a sample is refused for that is stored already, with newer ones behind it.
func (r Reason) OfOlderSample() bool {
	switch r {
	case Duplicate, OutOfBounds, OutOfOrder, TooOld:
		return true
	}
	return false
}
