package remotewrite

import (
	"net/http"
	"strings"
)

// Reason is why a receiver refused samples.
type Reason string

// The reasons.
const (
	BadRequest   Reason = "bad_request"   // 400 with a text that matches none of the others
	BadHistogram Reason = "bad_histogram" // a native histogram that contradicts itself
	Duplicate    Reason = "duplicate"     // another value at that time is stored
	Future       Reason = "future"        // too far ahead
	Invalid      Reason = "invalid"       // labels or names that the receiver doesn't accept
	Limit        Reason = "limit"         // a limit of the tenant, most often on series
	OutOfBounds  Reason = "out_of_bounds" // older than the receiver's head
	OutOfOrder   Reason = "out_of_order"  // older than the newest sample of the series
	TooLarge     Reason = "too_large"     // 413
	TooOld       Reason = "too_old"       // older than the receiver's out-of-order window
	Unsupported  Reason = "unsupported"   // version 1.0 can't encode it
	Unconfirmed  Reason = "unconfirmed"   // a 2.0 receiver reported success for fewer samples than were sent
)

// texts are parts of receivers' messages: Prometheus (storage/errors), Mimir and Cortex (err-mimir-*), Thanos, VictoriaMetrics. The first
// match wins, so the specific ones are first.
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

// ReasonOf returns the reason of a refusal whose status is a verdict on the data.
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

// ofOneSample reports whether r is about the time or the form of single samples, so that the receiver may accept the others of the
// request.
func (r Reason) ofOneSample() bool {
	switch r {
	case Duplicate, Future, BadHistogram, OutOfBounds, OutOfOrder, TooOld:
		return true
	}
	return false
}

// OfOlderSample reports whether r is the reason for refusing a sample that is already stored and has newer ones after it.
func (r Reason) OfOlderSample() bool {
	switch r {
	case Duplicate, OutOfBounds, OutOfOrder, TooOld:
		return true
	}
	return false
}
