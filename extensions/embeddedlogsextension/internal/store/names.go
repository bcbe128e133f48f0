package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// Names of fields: see the package's documentation.
const (
	Time     = "_time"
	Message  = "_msg"
	Stream   = "_stream"
	StreamID = "_stream_id"

	ServiceName   = "service.name"
	Level         = "level"
	SeverityText  = "severity_text"
	SeverityNum   = "severity_number"
	TraceID       = "trace_id"
	SpanID        = "span_id"
	EventName     = "event_name"
	ParentSpanID  = "parent_span_id"
	TraceState    = "trace_state"
	Kind          = "kind"
	Duration      = "duration"
	Status        = "status"
	StatusMessage = "status_message"
	Events        = "events"
	Links         = "links"
	ScopeName     = "scope.name"
	ScopeVersion  = "scope.version"

	TenantField = "penstock_tenant"
	LogField    = "penstock_log"
	OffsetField = "penstock_offset"
	IndexField  = "penstock_index"
	MoreField   = "penstock_more"
	TypesField  = "penstock_types"

	resourcePrefix  = "resource."
	attributePrefix = "attribute."
	scopePrefix     = "scope."
	scopeAttribute  = "scope.attribute."
	ownPrefix       = "penstock_"
)

// Provenance are the fields that say where a row came from.
var Provenance = []string{LogField, OffsetField, IndexField}

// own are the names that the store gives to what is no attribute.
var own = map[Signal][]string{
	Logs:   {Level, SeverityText, SeverityNum, TraceID, SpanID, EventName},
	Traces: {TraceID, SpanID, ParentSpanID, TraceState, Kind, Duration, Status, StatusMessage, Events, Links},
}

// Part says what a field's value is part of.
type Part int

// The parts.
const (
	Own       Part = iota // the store's own fields, penstock_more among them
	Attribute             // attributes of the record or span
	Resource              // attributes of the resource
	Scope                 // attributes of the scope
	Copied                // stream fields: copies of the resource's
)

// Split says what the field of a row of signal stands for, and the attribute's name.
func (s *Store) Split(signal Signal, field string) (Part, string) {
	if name, ok := strings.CutPrefix(field, resourcePrefix); ok {
		return Resource, name
	}
	if name, ok := strings.CutPrefix(field, attributePrefix); ok {
		return Attribute, name
	}
	if name, ok := strings.CutPrefix(field, scopeAttribute); ok {
		return Scope, name
	}
	switch {
	case slices.Contains(s.rows.stream, field):
		return Copied, field
	case s.rows.taken(signal, field):
		return Own, field
	}
	return Attribute, field
}

// NameOf returns the name of the field that holds an attribute of a record or span.
func (s *Store) NameOf(signal Signal, attribute string) string {
	if s.rows.taken(signal, attribute) {
		return attributePrefix + attribute
	}
	return attribute
}

// rowMaker makes rows. It is safe for concurrent use.
type rowMaker struct {
	stream []string // service.name first
	isOwn  map[Signal]map[string]struct{}
	names  *nameBudget
}

func newRowMaker(streamFields []string) *rowMaker {
	m := &rowMaker{stream: []string{ServiceName}, isOwn: map[Signal]map[string]struct{}{}}
	for _, f := range streamFields {
		if !slices.Contains(m.stream, f) {
			m.stream = append(m.stream, f)
		}
	}
	for signal, names := range own {
		m.isOwn[signal] = map[string]struct{}{}
		for _, n := range slices.Concat(names, m.stream) {
			m.isOwn[signal][n] = struct{}{}
		}
	}
	return m
}

// CheckStreamFields returns an error if one of the names can't be a stream field.
func CheckStreamFields(names []string) error {
	none := newRowMaker(nil)
	for _, n := range names {
		if err := logstorage.CheckStreamFieldName(n); err != nil {
			return err
		}
		if n != ServiceName && (none.taken(Logs, n) || none.taken(Traces, n) || len(n) > maxName) {
			return fmt.Errorf("%q is the name of another field, begins like one, or is too long", n)
		}
	}
	return nil
}

// taken says whether an attribute of a record or span can't be a field of that name.
func (m *rowMaker) taken(signal Signal, name string) bool {
	if name == "" || name[0] == '_' {
		return true
	}
	for _, p := range [...]string{resourcePrefix, attributePrefix, scopePrefix, ownPrefix} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	_, ok := m.isOwn[signal][name]
	return ok
}

// ResourceField returns the name of the field that holds an attribute of a resource.
func ResourceField(attribute string) string { return resourcePrefix + attribute }

// ScopeField returns the name of the field that holds an attribute of a scope.
func ScopeField(attribute string) string { return scopeAttribute + attribute }

// Each calls f for what a field of a row of signal stands for, as Split says it; for [MoreField] with each attribute in it.
func (s *Store) Each(signal Signal, field, value string, f func(part Part, name, value string)) {
	if field != MoreField {
		part, name := s.Split(signal, field)
		f(part, name, value)
		return
	}
	var more map[string]any
	if json.Unmarshal([]byte(value), &more) != nil {
		return // the store writes nothing else
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		list, ok := more[name].([]any)
		if !ok {
			list = []any{more[name]}
		}
		for _, one := range list {
			part, attribute := s.Split(signal, name)
			f(part, attribute, fmt.Sprint(one))
		}
	}
}

// CheckFilter returns a *QueryError unless text is LogsQL without pipes.
func CheckFilter(text string) error {
	if _, err := logstorage.ParseFilter(text); err != nil {
		return &QueryError{err}
	}
	return nil
}
