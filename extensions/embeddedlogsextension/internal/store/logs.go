package store

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// levels are the words of the ranges of four numbers each.
var levels = [...]string{"trace", "debug", "info", "warn", "error", "fatal"}

// LevelOf returns the word of a severity; empty if it has none.
func LevelOf(n plog.SeverityNumber, text string) string {
	if n < plog.SeverityNumberTrace || n > plog.SeverityNumberFatal4 {
		n = logvalue.Level(text)
	}
	if n < plog.SeverityNumberTrace || n > plog.SeverityNumberFatal4 {
		return ""
	}
	return levels[(n-1)/4]
}

// logRows calls f with each record's row and time, in the order of ld. tenantOf tells whose a resource is. received is when records came
// that have no time.
func (m *rowMaker) logRows(ld plog.Logs, tenantOf func(pcommon.Map) string, at Position, received pcommon.Timestamp, f func(tenant string, index int, t int64, r *row)) {
	r := &row{of: m, signal: Logs}
	index, offset := 0, strconv.FormatInt(at.Offset, 10)
	for _, rl := range ld.ResourceLogs().All() {
		tenant := tenantOf(rl.Resource().Attributes())
		r.stage = newResource
		for _, sl := range rl.ScopeLogs().All() {
			r.stage = min(r.stage, newScope)
			for _, lr := range sl.LogRecords().All() {
				t := moment(lr.Timestamp(), lr.ObservedTimestamp(), received)
				r.enter(tenant, rl.Resource(), sl.Scope(), dayOf(t))
				r.log(lr)
				r.place(at, offset, index)
				f(tenant, index, t, r)
				index++
			}
		}
	}
}

// log makes the row of a record.
func (r *row) log(lr plog.LogRecord) {
	r.add(Message, lr.Body().AsString())
	r.add(Level, LevelOf(lr.SeverityNumber(), lr.SeverityText()))
	if n := lr.SeverityNumber(); n != plog.SeverityNumberUnspecified {
		r.add(SeverityNum, strconv.Itoa(int(n)))
	}
	r.add(SeverityText, lr.SeverityText())
	r.ids(lr.TraceID(), lr.SpanID())
	r.add(EventName, lr.EventName())
	r.attributes("", lr.Attributes())
	r.addMore()
}

func (r *row) ids(trace pcommon.TraceID, span pcommon.SpanID) {
	if !trace.IsEmpty() {
		r.add(TraceID, r.hex(trace[:]))
	}
	if !span.IsEmpty() {
		r.add(SpanID, r.hex(span[:]))
	}
}

// clean returns the text of an enumeration in lower case, nothing for what is not set.
func clean(word string) string {
	if word == "Unspecified" || word == "Unset" {
		return ""
	}
	return strings.ToLower(word)
}
