package rows

import (
	"io"
	"slices"

	"github.com/penstockhq/penstock/internal/columnar"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Logs encodes log records.
type Logs struct {
	encoder
	rows   []logRow
	scopes []*scope
	ranks  []uint32

	observed           *intColumn
	severityNumber     *columnar.Column[int32]
	severityText       *stringColumn
	body, bodyType     *stringColumn
	eventName          *stringColumn
	traceID, spanID    *stringColumn
	flags, attrDropped *intColumn
	attributes         *recordColumns
}

type logRow struct {
	record plog.LogRecord
	scope  int32
}

// NewLogs returns an encoder for log records.
func NewLogs() *Logs {
	e := &Logs{}
	g := e.begin("logs", "time_unix_nano", "service_name", "time")
	e.observed = g.Int64("observed_time_unix_nano", columnar.Required|columnar.Unique)
	e.severityNumber = g.Int32("severity_number", columnar.Required)
	e.severityText = g.String("severity_text", 0)
	e.body = g.String("body", columnar.Unique|columnar.NoStats)
	e.bodyType = g.String("body_type", 0)
	e.eventName = g.String("event_name", 0)
	e.traceID = g.String("trace_id", columnar.Unique|columnar.SameLength|columnar.Bloom)
	e.spanID = g.String("span_id", columnar.Unique|columnar.SameLength)
	e.flags = g.Int64("flags", columnar.Required)
	e.attributes = newRecordColumns(g)
	e.attrDropped = g.Int64("dropped_attributes_count", columnar.Required)
	e.end(g)
	return e
}

// Split divides ld; tenant is the client's, or empty; limit is the number of dated partitions.
func (e *Logs) Split(ld plog.Logs, tenant string, limit int) *Plan {
	e.Release()
	n := ld.LogRecordCount()
	e.rows, e.order = slices.Grow(e.rows, n), slices.Grow(e.order, n)
	for _, rl := range ld.ResourceLogs().All() {
		res := e.collector.resource(rl.Resource(), rl.SchemaUrl())
		res.tenant = e.tenantOf(tenant, rl.Resource())
		for _, sl := range rl.ScopeLogs().All() {
			at := int32(len(e.scopes))
			e.scopes = append(e.scopes, e.collector.scope(res, sl.Scope(), sl.SchemaUrl()))
			for _, lr := range sl.LogRecords().All() {
				e.rows = append(e.rows, logRow{lr, at})
				e.add(logTime(lr))
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
func (e *Logs) Release() {
	clear(e.rows)
	clear(e.scopes)
	e.rows, e.scopes = e.rows[:0], e.scopes[:0]
	e.planner.reset()
	e.forget()
}

// logTime is the event time in ns: when it happened, or else when it was seen.
func logTime(lr plog.LogRecord) uint64 {
	if t := lr.Timestamp(); t != 0 {
		return uint64(t)
	}
	return uint64(lr.ObservedTimestamp())
}

// Write encodes a partition of the plan as a Parquet file.
func (e *Logs) Write(w io.Writer, p Partition) error {
	traces := e.repetition(p, func(i int32) [16]byte { return e.rows[i].record.TraceID() })
	return e.write(w, p, map[string]columnar.Repetition{"trace_id": traces}, func(i int32) *scope {
		r := &e.rows[i]
		e.put(r.record)
		return e.scopes[r.scope]
	})
}

func (e *Logs) put(lr plog.LogRecord) {
	e.nanos.Put(int64(lr.Timestamp()))
	e.observed.Put(int64(lr.ObservedTimestamp()))
	e.severityNumber.Put(int32(lr.SeverityNumber()))
	putText(e.severityText, &e.collector, "severity_text", lr.SeverityText())
	e.putBody(lr.Body())
	putText(e.eventName, &e.collector, "event_name", lr.EventName())
	traceID, spanID := lr.TraceID(), lr.SpanID()
	e.putID(e.traceID, traceID[:], traceID.IsEmpty())
	e.putID(e.spanID, spanID[:], spanID.IsEmpty())
	e.flags.Put(int64(lr.Flags()))
	e.attributes.put(&e.collector, lr.Attributes())
	e.attrDropped.Put(int64(lr.DroppedAttributesCount()))
}

func (e *Logs) putBody(body pcommon.Value) {
	text, letter := e.text(body)
	putOptional(e.body, text)
	switch letter {
	case typeString:
		e.bodyType.Null()
		return
	case typeExact:
		e.override("body", func(b []byte) []byte { return appendAny(b, body) })
	}
	mark := e.mark()
	e.b = append(e.b, letter)
	e.bodyType.Put(e.since(mark))
}
