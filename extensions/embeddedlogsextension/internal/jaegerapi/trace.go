package jaegerapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	childOf     = "CHILD_OF"
	followsFrom = "FOLLOWS_FROM"
	// refType is the attribute of a link that was a reference of OpenTracing.
	refType = "opentracing.ref_type"
)

// traceMaker makes a trace of rows.
type traceMaker struct {
	each func(field, value string, f func(store.Part, string, string))

	trace     *Trace
	processes map[string]string // ids by service and tags
}

// makeTrace returns the trace of rows, which are in the order of their time.
func makeTrace(id string, rows []*row, each func(string, string, func(store.Part, string, string))) *Trace {
	m := &traceMaker{each: each, processes: map[string]string{}, trace: &Trace{TraceID: showTraceID(id), Spans: make([]Span, 0, len(rows)), Processes: map[string]Process{}}}
	for _, r := range rows {
		m.add(r)
	}
	return m.trace
}

// parts are what the fields of a row are.
type parts struct {
	own                         map[string]string
	attributes, scope, resource []Tag
}

func text(key, value string) Tag { return Tag{key, "string", value} }

func (m *traceMaker) add(r *row) {
	p := parts{own: map[string]string{}}
	var types map[string]string
	for _, f := range r.fields {
		if f.name == store.TypesField {
			decode(f.value, &types)
		}
	}
	for _, f := range r.fields {
		m.each(f.name, f.value, func(part store.Part, name, value string) { p.put(part, name, value, types[f.name]) })
	}
	s := Span{
		TraceID: m.trace.TraceID, SpanID: p.own[store.SpanID], OperationName: p.own[store.Message], References: []Reference{}, StartTime: r.time / 1000,
		Logs: logsOf(p.own[store.Events]), Tags: tagsOfSpan(&p),
	}
	if n, err := strconv.ParseInt(p.own[store.Duration], 10, 64); err == nil {
		s.Duration = n / 1000
	}
	if parent := p.own[store.ParentSpanID]; parent != "" {
		s.References = append(s.References, Reference{childOf, m.trace.TraceID, parent})
	}
	s.References = append(s.References, references(p.own[store.Links])...)
	s.ProcessID = m.process(&p)
	m.trace.Spans = append(m.trace.Spans, s)
}

func (p *parts) put(part store.Part, name, value, of string) {
	switch part {
	case store.Attribute:
		p.attributes = append(p.attributes, ofType(of, name, value))
	case store.Scope:
		p.scope = append(p.scope, ofType(of, scopeTag+name, value))
	case store.Resource:
		p.resource = append(p.resource, ofType(of, name, value))
	case store.Copied, store.Own:
		p.own[name] = value
	}
}

func sortTags(tags []Tag) {
	slices.SortStableFunc(tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
}

// tagsOfSpan has the tags in Jaeger's order: scope, attributes, kind, status.
func tagsOfSpan(p *parts) []Tag {
	sortTags(p.scope)
	sortTags(p.attributes)
	tags := []Tag{}
	add := func(key, value string) {
		if value != "" {
			tags = append(tags, text(key, value))
		}
	}
	add("otel.scope.name", p.own[store.ScopeName])
	add("otel.scope.version", p.own[store.ScopeVersion])
	tags = append(append(tags, p.scope...), p.attributes...)
	add("span.kind", p.own[store.Kind])
	status := p.own[store.Status]
	add("otel.status_code", strings.ToUpper(status))
	if status == "error" {
		tags = slices.DeleteFunc(tags, func(t Tag) bool { return t.Key == "error" })
		tags = append(tags, Tag{"error", "bool", true})
	}
	add("otel.status_description", p.own[store.StatusMessage])
	add("w3c.tracestate", p.own[store.TraceState])
	return tags
}

// process returns the id of the span's resource.
func (m *traceMaker) process(p *parts) string {
	name := p.own[store.ServiceName]
	tags := []Tag{}
	for _, t := range p.resource {
		if t.Key != store.ServiceName {
			tags = append(tags, t)
		}
	}
	if tenant := p.own[store.TenantField]; tenant != "" {
		tags = append(tags, text(store.TenantField, tenant))
	}
	sortTags(tags)
	key := fmt.Sprintf("%q %q", name, tags)
	id, ok := m.processes[key]
	if !ok {
		id = "p" + strconv.Itoa(len(m.processes)+1)
		m.processes[key] = id
		m.trace.Processes[id] = Process{name, tags}
	}
	return id
}

// decode reads JSON that the store wrote; numbers keep their digits.
func decode(text string, into any) {
	if text == "" {
		return
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	_ = d.Decode(into) // what can't be read is left out
}

func logsOf(events string) []Log {
	var all []store.Event
	decode(events, &all)
	logs := make([]Log, 0, len(all))
	for _, e := range all {
		l := Log{Timestamp: e.Time / 1000, Fields: []Tag{}}
		if e.Name != "" {
			l.Fields = append(l.Fields, text("event", e.Name))
		}
		l.Fields = append(l.Fields, typed(e.Attributes)...)
		logs = append(logs, l)
	}
	return logs
}

// typed makes tags of attributes whose types are known.
func typed(attributes map[string]any) []Tag {
	tags := make([]Tag, 0, len(attributes))
	for key, v := range attributes {
		tags = append(tags, tagOf(key, v))
	}
	sortTags(tags)
	return tags
}

// ofType makes a tag of an attribute's text, which JSON has no other form for where it is NaN or infinite.
func ofType(name, key, value string) Tag {
	if name == "" || !json.Valid([]byte(value)) {
		return text(key, value)
	}
	if name == "bool" {
		return Tag{key, name, value == "true"}
	}
	return Tag{key, name, json.Number(value)}
}

func tagOf(key string, v any) Tag {
	switch v := v.(type) {
	case string:
		return text(key, v)
	case bool:
		return Tag{key, "bool", v}
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return Tag{key, "int64", v}
		}
		return Tag{key, "float64", v}
	}
	whole, err := json.Marshal(v)
	if err != nil { // it was JSON
		return text(key, err.Error())
	}
	return text(key, string(whole))
}

func references(links string) []Reference {
	var all []store.Link
	decode(links, &all)
	refs := make([]Reference, 0, len(all))
	for _, l := range all {
		kind := followsFrom
		if l.Attributes[refType] == "child_of" {
			kind = childOf
		}
		refs = append(refs, Reference{kind, showTraceID(l.TraceID), l.SpanID})
	}
	return refs
}
