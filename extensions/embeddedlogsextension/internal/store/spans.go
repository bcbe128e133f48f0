package store

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Event is an event of a span, as it stands in [Events].
type Event struct {
	Time       int64          `json:"time"`
	Name       string         `json:"name,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// Link is a link of a span, as it stands in [Links].
type Link struct {
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	TraceState string         `json:"trace_state,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

// spanRows is logRows of spans.
func (m *rowMaker) spanRows(td ptrace.Traces, tenantOf func(pcommon.Map) string, at Position, received pcommon.Timestamp, f func(tenant string, index int, t int64, r *row)) {
	r := &row{of: m, signal: Traces}
	index, offset := 0, strconv.FormatInt(at.Offset, 10)
	for _, rs := range td.ResourceSpans().All() {
		tenant := tenantOf(rs.Resource().Attributes())
		r.stage = newResource
		for _, ss := range rs.ScopeSpans().All() {
			r.stage = min(r.stage, newScope)
			for _, span := range ss.Spans().All() {
				t := moment(span.StartTimestamp(), span.EndTimestamp(), received)
				r.enter(tenant, rs.Resource(), ss.Scope(), dayOf(t))
				r.span(span)
				r.place(at, offset, index)
				f(tenant, index, t, r)
				index++
			}
		}
	}
}

// span makes the row of a span.
func (r *row) span(span ptrace.Span) {
	r.add(Message, span.Name())
	r.ids(span.TraceID(), span.SpanID())
	if parent := span.ParentSpanID(); !parent.IsEmpty() {
		r.add(ParentSpanID, r.hex(parent[:]))
	}
	r.add(TraceState, span.TraceState().AsRaw())
	r.add(Kind, clean(span.Kind().String()))
	if start, end := span.StartTimestamp(), span.EndTimestamp(); end >= start {
		r.add(Duration, strconv.FormatUint(uint64(end-start), 10))
	}
	r.add(Status, clean(span.Status().Code().String()))
	r.add(StatusMessage, span.Status().Message())
	if span.Events().Len() > 0 {
		r.add(Events, eventsJSON(span.Events()))
	}
	if span.Links().Len() > 0 {
		r.add(Links, linksJSON(span.Links()))
	}
	r.attributes("", span.Attributes())
	r.addTypes()
	r.addMore()
}

func eventsJSON(events ptrace.SpanEventSlice) string {
	all := make([]Event, 0, events.Len())
	for _, e := range events.All() {
		all = append(all, Event{Time: moment(e.Timestamp()), Name: e.Name(), Attributes: attributesJSON(e.Attributes())})
	}
	return jsonOf(all)
}

// EventFilter is LogsQL for spans with an event of which an attribute has a value, given as text. It looks at the JSON of [Events], where "name" and
// "time" are the event's own: it finds no attributes of these names.
func EventFilter(attribute, value string) string {
	if attribute == "name" || attribute == "time" {
		return ""
	}
	key := jsonOf(attribute) + ":"
	filter := Events + ":" + Quote(key+jsonOf(value))
	if json.Valid([]byte(value)) { // a number or a truth value
		filter += " or " + Events + ":" + Quote(key+value+",") + " or " + Events + ":" + Quote(key+value+"}")
	}
	return filter
}

// EventNameFilter is LogsQL for spans with an event of a name.
func EventNameFilter(name string) string {
	named := `"name":` + jsonOf(name)
	return "(" + Events + ":" + Quote(named) + " " + Events + ":~" + Quote(`"time":[0-9]+,`+regexp.QuoteMeta(named)) + ")"
}

func linksJSON(links ptrace.SpanLinkSlice) string {
	all := make([]Link, 0, links.Len())
	for _, l := range links.All() {
		all = append(all, Link{TraceID: l.TraceID().String(), SpanID: l.SpanID().String(), TraceState: l.TraceState().AsRaw(), Attributes: attributesJSON(l.Attributes())})
	}
	return jsonOf(all)
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // attributesJSON has left nothing that JSON can't hold
		return err.Error()
	}
	return string(text)
}

// attributesJSON returns attributes for JSON, which has no NaN and no infinity: they become text.
func attributesJSON(m pcommon.Map) map[string]any {
	if m.Len() == 0 {
		return nil
	}
	all := make(map[string]any, m.Len())
	for name, v := range m.All() {
		all[name] = valueJSON(v)
	}
	return all
}

func valueJSON(v pcommon.Value) any {
	switch v.Type() {
	case pcommon.ValueTypeDouble:
		if d := v.Double(); math.IsNaN(d) || math.IsInf(d, 0) {
			return v.AsString()
		}
	case pcommon.ValueTypeMap:
		return attributesJSON(v.Map())
	case pcommon.ValueTypeSlice:
		all := make([]any, 0, v.Slice().Len())
		for _, inner := range v.Slice().All() {
			all = append(all, valueJSON(inner))
		}
		return all
	}
	return v.AsRaw()
}
