package rows

import (
	"io"
	"slices"

	"github.com/penstockhq/penstock/internal/columnar"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

var (
	spanKinds   = []string{"unspecified", "internal", "server", "client", "producer", "consumer"}
	statusCodes = []string{"unset", "ok", "error"}
)

// Traces encodes spans.
type Traces struct {
	encoder
	rows   []spanRow
	scopes []*scope
	ranks  []uint32

	duration                                *intColumn
	traceID, spanID, parentID, state        *stringColumn
	name, kind, statusCode, statusMessage   *stringColumn
	flags                                   *intColumn
	attributes                              *recordColumns
	attrDropped, eventDropped, linksDropped *intColumn
	events                                  eventColumns
	links                                   linkColumns
}

type spanRow struct {
	span  ptrace.Span
	scope int32
}

type eventColumns struct {
	time, nanos *intColumn
	name        *stringColumn
	attributes  mapColumns
	dropped     *intColumn
}

type linkColumns struct {
	traceID, spanID, state *stringColumn
	flags                  *intColumn
	attributes             mapColumns
	dropped                *intColumn
}

// NewTraces returns an encoder for spans.
func NewTraces() *Traces {
	e := &Traces{}
	g := e.begin("traces", "start_time_unix_nano", "service_name", "time")
	e.duration = g.Int64("duration_nano", columnar.Required|columnar.Unique)
	e.traceID = g.String("trace_id", columnar.Unique|columnar.SameLength|columnar.Bloom)
	e.spanID = g.String("span_id", columnar.Unique|columnar.SameLength)
	e.parentID = g.String("parent_span_id", columnar.Unique|columnar.SameLength)
	e.state = g.String("trace_state", 0)
	e.name = g.String("name", columnar.BloomFew)
	e.kind = g.String("kind", columnar.Required)
	e.statusCode = g.String("status_code", columnar.Required)
	e.statusMessage = g.String("status_message", 0)
	e.flags = g.Int64("flags", columnar.Required)
	e.attributes = newRecordColumns(g)
	e.attrDropped = g.Int64("dropped_attributes_count", columnar.Required)

	ev := g.List("events")
	e.events = eventColumns{
		time:       ev.Timestamp("time", columnar.Required),
		nanos:      ev.Int64("time_unix_nano", columnar.Required),
		name:       ev.String("name", columnar.Required),
		attributes: newMapColumns(ev, "attributes"),
		dropped:    ev.Int64("dropped_attributes_count", columnar.Required),
	}
	e.eventDropped = g.Int64("dropped_events_count", columnar.Required)
	ln := g.List("links")
	e.links = linkColumns{
		traceID:    ln.String("trace_id", 0),
		spanID:     ln.String("span_id", 0),
		state:      ln.String("trace_state", columnar.Required),
		flags:      ln.Int64("flags", columnar.Required),
		attributes: newMapColumns(ln, "attributes"),
		dropped:    ln.Int64("dropped_attributes_count", columnar.Required),
	}
	e.linksDropped = g.Int64("dropped_links_count", columnar.Required)
	e.end(g)
	return e
}

// Split divides td; tenant is the client's, or empty; limit is the number of dated partitions.
func (e *Traces) Split(td ptrace.Traces, tenant string, limit int) *Plan {
	e.Release()
	n := td.SpanCount()
	e.rows, e.order = slices.Grow(e.rows, n), slices.Grow(e.order, n)
	for _, rs := range td.ResourceSpans().All() {
		res := e.collector.resource(rs.Resource(), rs.SchemaUrl())
		res.tenant = e.tenantOf(tenant, rs.Resource())
		for _, ss := range rs.ScopeSpans().All() {
			at := int32(len(e.scopes))
			e.scopes = append(e.scopes, e.collector.scope(res, ss.Scope(), ss.SchemaUrl()))
			for _, s := range ss.Spans().All() {
				e.rows = append(e.rows, spanRow{s, at})
				e.add(uint64(s.StartTimestamp()))
			}
		}
	}
	e.ranks = rank(e.scopes, func(a, b *scope) int { return a.resource.compareService(b.resource) })
	e.divide(limit, func(i int32) (int32, uint32) {
		s := e.rows[i].scope
		return e.scopes[s].resource.tenant, e.ranks[s]
	})
	return &e.Plan
}

// Release lets go of the batch.
func (e *Traces) Release() {
	clear(e.rows)
	clear(e.scopes)
	e.rows, e.scopes = e.rows[:0], e.scopes[:0]
	e.planner.reset()
	e.forget()
}

// Write encodes a partition of the plan as a Parquet file.
func (e *Traces) Write(w io.Writer, p Partition) error {
	traces := e.repetition(p, func(i int32) [16]byte { return e.rows[i].span.TraceID() })
	return e.write(w, p, map[string]columnar.Repetition{"trace_id": traces}, func(i int32) *scope {
		r := &e.rows[i]
		e.put(r.span)
		return e.scopes[r.scope]
	})
}

func (e *Traces) put(s ptrace.Span) {
	e.nanos.Put(int64(s.StartTimestamp()))
	e.duration.Put(int64(s.EndTimestamp() - s.StartTimestamp()))
	traceID, spanID, parentID := s.TraceID(), s.SpanID(), s.ParentSpanID()
	e.putID(e.traceID, traceID[:], traceID.IsEmpty())
	e.putID(e.spanID, spanID[:], spanID.IsEmpty())
	e.putID(e.parentID, parentID[:], parentID.IsEmpty())
	putText(e.state, &e.collector, "trace_state", s.TraceState().AsRaw())
	putText(e.name, &e.collector, "name", s.Name())
	e.kind.Put(bytesOf(enum(spanKinds, int32(s.Kind()))))
	e.statusCode.Put(bytesOf(enum(statusCodes, int32(s.Status().Code()))))
	putText(e.statusMessage, &e.collector, "status_message", s.Status().Message())
	e.flags.Put(int64(s.Flags()))
	e.attributes.put(&e.collector, s.Attributes())
	e.attrDropped.Put(int64(s.DroppedAttributesCount()))
	e.putEvents(s.Events())
	e.eventDropped.Put(int64(s.DroppedEventsCount()))
	e.putLinks(s.Links())
	e.linksDropped.Put(int64(s.DroppedLinksCount()))
}

func (e *Traces) putEvents(events ptrace.SpanEventSlice) {
	c := &e.events
	if events.Len() == 0 {
		c.time.MissingAt(0, 0)
		c.nanos.MissingAt(0, 0)
		c.name.MissingAt(0, 0)
		c.attributes.missing()
		c.dropped.MissingAt(0, 0)
		return
	}
	for i, ev := range events.All() {
		rep := int16(min(i, 1))
		path := elementPath{"events", i}
		c.time.PutAt(int64(uint64(ev.Timestamp())/1000), rep)
		c.nanos.PutAt(int64(ev.Timestamp()), rep)
		c.name.PutAt(e.element(path, "name", ev.Name()), rep)
		c.attributes.put(e.collectElement(path, ev.Attributes()), rep, true)
		c.dropped.PutAt(int64(ev.DroppedAttributesCount()), rep)
	}
}

func (e *Traces) putLinks(links ptrace.SpanLinkSlice) {
	c := &e.links
	if links.Len() == 0 {
		c.traceID.MissingAt(0, 0)
		c.spanID.MissingAt(0, 0)
		c.state.MissingAt(0, 0)
		c.flags.MissingAt(0, 0)
		c.attributes.missing()
		c.dropped.MissingAt(0, 0)
		return
	}
	for i, l := range links.All() {
		rep := int16(min(i, 1))
		path := elementPath{"links", i}
		traceID, spanID := l.TraceID(), l.SpanID()
		e.putElementID(c.traceID, traceID[:], traceID.IsEmpty(), rep)
		e.putElementID(c.spanID, spanID[:], spanID.IsEmpty(), rep)
		c.state.PutAt(e.element(path, "trace_state", l.TraceState().AsRaw()), rep)
		c.flags.PutAt(int64(l.Flags()), rep)
		c.attributes.put(e.collectElement(path, l.Attributes()), rep, true)
		c.dropped.PutAt(int64(l.DroppedAttributesCount()), rep)
	}
}
