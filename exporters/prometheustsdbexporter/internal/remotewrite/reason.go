package remotewrite

import (
	"net/http"
	"slices"
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
	Unsupported  Reason = "unsupported"   // version 1.0 can't encode it, or the receiver has native histograms switched off
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
	{histogramsDisabled, Unsupported},
	{"histogram", BadHistogram},
	{"invalid", Invalid},
	{"label", Invalid},
	{"missing-metric-name", Invalid},
}

// histogramsDisabled is Prometheus' text for a request with native histograms where that feature is off.
const histogramsDisabled = "native histograms are disabled"

// dataErrors are texts with which a 500 is a verdict on the data. Prometheus answers 500 to each error of its storage for which it has no status of its
// own: to samples that are too old before 2.52, to native histograms where they are off (https://github.com/prometheus/prometheus/issues/17181). It has
// rolled back the request, and would refuse it for ever. It says nothing else then; a receiver that has found others away as well does.
var dataErrors = []string{"too old sample", "out of order sample", "duplicate sample for timestamp", histogramsDisabled}

// isDataError reports whether body, of a 500, is about the data.
func isDataError(body string) bool {
	return slices.Contains(dataErrors, strings.TrimSpace(body))
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
