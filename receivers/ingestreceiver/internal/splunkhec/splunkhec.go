// Package splunkhec decodes what clients send to Splunk's HTTP Event Collector: JSON events one after the other, with or without space
// between them, and raw lines; and it defines the collector's answers. See
// https://help.splunk.com/en/splunk-enterprise/get-started/get-data-in/9.4/get-data-with-http-event-collector.
package splunkhec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
)

// Code is one of the collector's own error codes.
type Code int

// The codes that clients evaluate.
const (
	Success         Code = 0
	TokenRequired   Code = 2
	InvalidToken    Code = 4
	NoData          Code = 5
	InvalidFormat   Code = 6
	InternalError   Code = 8
	Busy            Code = 9
	ChannelMissing  Code = 10
	EventRequired   Code = 12
	EventBlank      Code = 13
	FieldsError     Code = 15
	Healthy         Code = 17
	Unhealthy       Code = 18
	RequestTooLarge Code = 27
)

var texts = map[Code]string{
	Success: "Success", TokenRequired: "Token is required", InvalidToken: "Invalid token", NoData: "No data", InvalidFormat: "Invalid data format",
	InternalError: "Internal server error", Busy: "Server is busy", ChannelMissing: "Data channel is missing", EventRequired: "Event field is required",
	EventBlank: "Event field cannot be blank", FieldsError: "Error in handling indexed fields", Healthy: "HEC is healthy",
	Unhealthy: "HEC is unhealthy, queues are full", RequestTooLarge: "Request entity too large",
}

// String returns the collector's text for a code.
func (c Code) String() string { return texts[c] }

// Event is one event of a request.
type Event struct {
	// Time is seconds since 1970, with or without a fraction, as the client wrote it; empty: none.
	Time                            string
	Host, Source, Sourcetype, Index string
	// Event is the event: any JSON.
	Event json.RawMessage
	// Fields are the indexed fields.
	Fields map[string]json.RawMessage
}

// ErrTooMany says that a request has too many events.
var ErrTooMany = errors.New("the request has too many events")

// Events calls take for each event of the body, in order, with its number, from 0, and Success or the code of its problem. After an event
// that is not JSON the others can't be separated: it is the last one. A body has at most maxEvents events.
func Events(body []byte, maxEvents int, take func(number int, e Event, code Code)) error {
	d := json.NewDecoder(bytes.NewReader(body))
	for number := 0; ; number++ {
		var raw json.RawMessage
		switch err := d.Decode(&raw); {
		case err == io.EOF:
			return nil
		case number == maxEvents:
			return ErrTooMany
		case err != nil:
			take(number, Event{}, InvalidFormat)
			return nil
		}
		e, code := event(raw)
		take(number, e, code)
	}
}

func event(raw json.RawMessage) (Event, Code) {
	var from struct {
		Time       json.RawMessage `json:"time"`
		Host       json.RawMessage `json:"host"`
		Source     json.RawMessage `json:"source"`
		Sourcetype json.RawMessage `json:"sourcetype"`
		Index      json.RawMessage `json:"index"`
		Event      json.RawMessage `json:"event"`
		Fields     json.RawMessage `json:"fields"`
	}
	if raw[0] != '{' || json.Unmarshal(raw, &from) != nil {
		return Event{}, InvalidFormat
	}
	e := Event{Time: text(from.Time), Host: text(from.Host), Source: text(from.Source), Sourcetype: text(from.Sourcetype), Index: text(from.Index), Event: from.Event}
	if present(from.Fields) && json.Unmarshal(from.Fields, &e.Fields) != nil {
		return e, FieldsError
	}
	switch {
	case !present(from.Event):
		return e, EventRequired
	case string(from.Event) == `""`:
		return e, EventBlank
	}
	return e, Success
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// text returns a string, or a number as text.
func text(raw json.RawMessage) string {
	if !present(raw) {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// Sample is one measurement of a metric event.
type Sample struct {
	Name  string
	Value json.RawMessage
}

// Samples removes the measurements from the fields of a metric event, sorted by name, and leaves the dimensions: metric_name:NAME has a
// value, or metric_name a name and _value its value. Events of another kind have none.
func (e *Event) Samples() []Sample {
	if string(e.Event) != `"metric"` {
		return nil
	}
	var samples []Sample
	for field, value := range e.Fields {
		if name, ok := strings.CutPrefix(field, "metric_name:"); ok && name != "" {
			samples = append(samples, Sample{name, value})
			delete(e.Fields, field)
		}
	}
	if name := text(e.Fields["metric_name"]); name != "" && present(e.Fields["_value"]) {
		samples = append(samples, Sample{name, e.Fields["_value"]})
		delete(e.Fields, "metric_name")
		delete(e.Fields, "_value")
	}
	slices.SortFunc(samples, func(a, b Sample) int { return strings.Compare(a.Name, b.Name) })
	return samples
}

// Lines are the events of a raw body: its lines, without empty ones. They are parts of the body.
func Lines(body []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			line = bytes.TrimRight(line, "\r")
			if len(bytes.TrimSpace(line)) > 0 && !yield(line) {
				return
			}
		}
	}
}
