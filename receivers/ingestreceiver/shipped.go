package ingestreceiver

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// shipped makes log records of a shipper's request. A record with a time of its own gets no values that differ when the shipper repeats
// the request (the time of receipt, an id), and its attributes are sorted: so the journal recognizes a repeated request and counts it
// once.
type shipped struct {
	*batch
	logs plog.Logs
	of   map[string]plog.LogRecordSlice
}

func newShipped(b *batch) *shipped {
	return &shipped{b, plog.NewLogs(), map[string]plog.LogRecordSlice{}}
}

// add adds a record to the resource identified by key; write adds the resource's attributes.
func (s *shipped) add(key string, write func(pcommon.Map)) plog.LogRecord {
	records, ok := s.of[key]
	if !ok {
		resource := s.logs.ResourceLogs().AppendEmpty()
		write(resource.Resource().Attributes())
		scope := resource.ScopeLogs().AppendEmpty()
		scope.Scope().SetName(scopeName)
		records = scope.LogRecords()
		s.of[key] = records
	}
	return records.AppendEmpty()
}

// stampShipped adds time, mark and origin to a record. at is zero if the record has no time.
func (s *shipped) stampShipped(to plog.LogRecord, at time.Time, mark string, index int) {
	if at.IsZero() {
		to.SetTimestamp(pcommon.NewTimestampFromTime(s.now))
		s.stamp(to, index)
		return
	}
	to.SetTimestamp(pcommon.NewTimestampFromTime(at))
	if mark != "" {
		to.Attributes().PutStr("ingest.time_out_of_range", mark)
	}
	if _, ok := to.Attributes().Get("client.address"); !ok && s.source != "" {
		to.Attributes().PutStr("client.address", s.source)
	}
}

// level sets the severity, if the text is not empty.
func level(to plog.LogRecord, text string) {
	if text != "" {
		to.SetSeverityText(text)
		to.SetSeverityNumber(severity(text))
	}
}

// traceID sets the trace id, and reports whether text is one.
func traceID(to plog.LogRecord, text string) bool {
	var id pcommon.TraceID
	if !decodeID(id[:], text) {
		return false
	}
	to.SetTraceID(id)
	return true
}

// spanID sets the span id, and reports whether text is one.
func spanID(to plog.LogRecord, text string) bool {
	var id pcommon.SpanID
	if !decodeID(id[:], text) {
		return false
	}
	to.SetSpanID(id)
	return true
}

func decodeID(to []byte, text string) bool {
	id, err := hex.DecodeString(text)
	if err != nil || len(id) != len(to) {
		return false
	}
	copy(to, id)
	return true
}

var (
	errDeep    = fmt.Errorf("it is nested more than %d deep", maxDepth)
	errNotJSON = errors.New("it is not valid JSON")
)

// value reads one value of JSON; numbers keep their digits.
func value(raw []byte) (any, error) {
	if depth(raw) > maxDepth {
		return nil, errDeep
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return nil, errNotJSON
	}
	return v, nil
}

// flatten writes the members of nested objects under names with dots. Lists stay values.
func flatten(into map[string]any, prefix string, object map[string]any) {
	for _, name := range sorted(object) {
		v := object[name]
		if prefix != "" {
			name = prefix + "." + name
		}
		if inner, ok := v.(map[string]any); ok && len(inner) > 0 {
			flatten(into, name, inner)
			continue
		}
		into[name] = v
	}
}

// sorted returns the names of fields, in order.
func sorted[V any](fields map[string]V) []string { return slices.Sorted(maps.Keys(fields)) }

// textOf returns a string or a number as text; empty: it is neither.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// resourceKey identifies a resource by its attributes.
func resourceKey(attributes map[string]any) string {
	var key strings.Builder
	for _, name := range sorted(attributes) {
		fmt.Fprintf(&key, "%q=%q,", name, fmt.Sprint(attributes[name]))
	}
	return key.String()
}
