// Package refusal parses Loki's reasons for refusing entries.
//
// Loki checks every entry separately, stores the good ones and answers 400 with a text about the others. Two places write that text
// (source: Loki v3.7.8):
//   - the distributor: "3 errors like: <message>; 2 errors like: <message>", or one
//     bare message if there is only one error. A message about labels means a
//     whole stream, any other one entry;
//   - an ingester: "entry with timestamp ... ignored, reason: '...'" for up to ten
//     entries of one stream, then "total ignored: 12 out of 40 for stream: {...}".
package refusal

import (
	"strconv"
	"strings"
)

// Reason is why entries were refused, one of the constants below.
type Reason string

// Loki's reasons. The last three come with 429 and mean: not now.
const (
	TooOld       Reason = "too_old"
	TooNew       Reason = "too_new"
	TooFarBehind Reason = "too_far_behind"
	LineTooLong  Reason = "line_too_long"
	Metadata     Reason = "metadata"
	Labels       Reason = "labels"
	Blocked      Reason = "blocked"
	Other        Reason = "other"
	StreamLimit  Reason = "stream_limit"
	StreamRate   Reason = "stream_rate"
	Rate         Reason = "rate"
)

// Fixed parts of Loki's texts.
const (
	totalIgnored       = "total ignored: "
	forStream          = " for stream: "
	errorsLike         = " errors like: "
	separator          = "; "
	streamInMessage    = "stream '"
	streamInMessageEnd = "}'"
	lineLength         = "with length '"
)

// Refusal is one cause of refusal.
type Refusal struct {
	Reason Reason
	// Stream is the text of the stream's labels, empty if the answer does not name it.
	Stream string
	// WholeStream: every entry of Stream was refused; then Count counts streams, otherwise entries.
	WholeStream bool
	Count       int
	// LineBytes is the length of the lines that were too long, 0 if the answer does not name it. Loki counts the lines of each length
	// separately.
	LineBytes int
}

var messages = []struct {
	part        string
	reason      Reason
	wholeStream bool
}{
	{"has timestamp too old", TooOld, false},
	{"has timestamp too new", TooNew, false},
	{"max entry size", LineTooLong, false},
	{"structured metadata", Metadata, false},
	{"label names; limit", Labels, true},
	{"label name too long", Labels, true},
	{"label value too long", Labels, true},
	{"duplicate label name", Labels, true},
	{"at least one label pair is required", Labels, true},
	{"error parsing labels", Labels, true},
	{"missing required labels", Labels, true},
	{"ingestion blocked for user", Blocked, true},
	{"entry too far behind", TooFarBehind, false},
	{"entry out of order", TooFarBehind, false},
	{"maximum active stream limit exceeded", StreamLimit, true},
	{"Per stream rate limit exceeded", StreamRate, true},
	{"ingestion rate limit exceeded", Rate, true},
}

// Parse parses the body of Loki's answer. understood is false if any part of it is not one of Loki's known messages: then it is unknown
// which entries were stored. The strings in the result alias body.
func Parse(body string) (refusals []Refusal, understood bool) {
	body = strings.TrimSpace(body)
	if i := strings.LastIndex(body, totalIgnored); i >= 0 {
		return parseIngester(body, body[i+len(totalIgnored):])
	}
	understood = true
	for body != "" {
		count, message, rest := nextGroup(body)
		r := classify(message)
		r.Count = count
		understood = understood && r.Reason != Other
		refusals = append(refusals, r)
		body = rest
	}
	return refusals, understood && len(refusals) > 0
}

// parseIngester reads "N out of M for stream: {labels}".
func parseIngester(body, tail string) ([]Refusal, bool) {
	number, rest, _ := strings.Cut(tail, " ")
	count, err := strconv.Atoi(number)
	_, stream, found := strings.Cut(rest, forStream)
	if err != nil || !found {
		return nil, false
	}
	reason := Other
	for _, m := range messages {
		if !strings.Contains(body, m.part) {
			continue
		}
		if reason != Other && reason != m.reason {
			return nil, false // the answer does not say which entries were refused for which reason
		}
		reason = m.reason
	}
	return []Refusal{{Reason: reason, Stream: stream, Count: count}}, reason != Other
}

// nextGroup reads one "N errors like: message" from the beginning of body. A label value may contain the separator, so a message ends only
// where another group begins.
func nextGroup(body string) (count int, message, rest string) {
	count, body = leadingCount(body)
	for from := 0; ; {
		i := strings.Index(body[from:], separator)
		if i < 0 {
			return count, body, ""
		}
		next := from + i + len(separator)
		if n, after := leadingCount(body[next:]); len(after) < len(body)-next && n > 0 {
			return count, body[:from+i], body[next:]
		}
		from = next
	}
}

// leadingCount reads "N errors like: "; without it the count is 1 and body is returned whole.
func leadingCount(body string) (int, string) {
	digits := 0
	for digits < len(body) && body[digits] >= '0' && body[digits] <= '9' {
		digits++
	}
	if rest, ok := strings.CutPrefix(body[digits:], errorsLike); ok {
		if n, err := strconv.Atoi(body[:digits]); err == nil && n > 0 {
			return n, rest
		}
	}
	return 1, body
}

func classify(message string) Refusal {
	for _, m := range messages {
		if strings.Contains(message, m.part) {
			return Refusal{Reason: m.reason, WholeStream: m.wholeStream, Stream: streamOf(message), LineBytes: lineBytesOf(message)}
		}
	}
	return Refusal{Reason: Other}
}

func streamOf(message string) string {
	_, rest, found := strings.Cut(message, streamInMessage)
	if !found {
		return ""
	}
	end := strings.LastIndex(rest, streamInMessageEnd)
	if end < 0 {
		return ""
	}
	return rest[:end+1]
}

// lineBytesOf reads "... while adding an entry with length '300000' bytes".
func lineBytesOf(message string) int {
	at := strings.LastIndex(message, lineLength)
	if at < 0 {
		return 0
	}
	digits, _, _ := strings.Cut(message[at+len(lineLength):], "'")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}
