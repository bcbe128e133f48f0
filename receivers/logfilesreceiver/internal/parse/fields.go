package parse

import (
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// fields are the members of a structured line for which a log record has a field. Libraries name them differently; the rank orders the
// names if a line has several.
type fields struct {
	members                           []member
	time, level, message, trace, span candidate
	letter                            candidate // MongoDB's level, beside a time of its form
	failure, failureType, stack       candidate
}

func (f *fields) collect() {
	for i := range f.members {
		f.role(f.members[i].key, i)
	}
}

func (f *fields) role(key string, index int) {
	switch key {
	case "time":
		f.time.offer(index, 0)
	case "timestamp":
		f.time.offer(index, 1)
	case "@timestamp", "@t":
		f.time.offer(index, 2)
	case "ts":
		f.time.offer(index, 3)
	case "t":
		f.time.offer(index, 4)
	case "datetime", "asctime", "timeMillis", "Timestamp", "eventTime", "instant", "date":
		f.time.offer(index, 5)
	case "level":
		f.level.offer(index, 0)
	case "severity":
		f.level.offer(index, 1)
	case "log.level":
		f.level.offer(index, 2)
	case "levelname":
		f.level.offer(index, 3)
	case "lvl":
		f.level.offer(index, 4)
	case "LogLevel", "Level", "loglevel", "log_level", "severity_text", "severityText", "@l":
		f.level.offer(index, 5)
	case "message":
		f.message.offer(index, 0)
	case "msg":
		f.message.offer(index, 1)
	case "@m", "event", "short_message", "Message", "RenderedMessage", "textPayload":
		f.message.offer(index, 2)
	case "@mt", "MessageTemplate":
		f.message.offer(index, 3)
	case "s":
		f.letter.offer(index, 0)
	case "trace_id":
		f.trace.offer(index, 0)
	case "traceId", "trace.id", "traceID", "TraceId", "traceid", "dd.trace_id", "@tr", "logging.googleapis.com/trace":
		f.trace.offer(index, 1)
	case "span_id":
		f.span.offer(index, 0)
	case "spanId", "span.id", "spanID", "SpanId", "spanid", "dd.span_id", "@sp", "logging.googleapis.com/spanId":
		f.span.offer(index, 1)
	default:
		f.failureRole(key, index)
	}
}

func (f *fields) failureRole(key string, index int) {
	switch key {
	case "error", "err":
		f.failure.offer(index, 0)
	case "thrown", "exception":
		f.failure.offer(index, 1)
	case "error.message", "error_message":
		f.failure.offer(index, 2)
	case "error.type", "error.kind", "error_type", "exception_class":
		f.failureType.offer(index, 0)
	case "stack_trace":
		f.stack.offer(index, 0)
	case "stacktrace", "error.stack_trace", "error.stack", "errorVerbose":
		f.stack.offer(index, 1)
	case "stack", "exc_info", "@x", "Exception", "traceback":
		f.stack.offer(index, 2)
	}
}

// liftTime, liftLevel and liftIDs mark a member as taken only if they could parse it.
func (f *fields) liftTime(r plog.LogRecord, clock logvalue.Clock) {
	m := f.time.of(f.members)
	if m == nil {
		return
	}
	t, ok := time.Time{}, false
	switch m.kind {
	case pcommon.ValueTypeStr:
		t, ok = clock.Time(m.text)
	case pcommon.ValueTypeInt:
		t, ok = logvalue.Since1970(m.int)
	case pcommon.ValueTypeDouble:
		t, ok = logvalue.Since1970Float(m.double)
	case pcommon.ValueTypeMap:
		if t, ok = instant(m.nested.Map()); !ok {
			if t, ok = extended(m.nested.Map(), clock); ok && f.level.index == 0 {
				f.level = f.letter
			}
		}
	}
	if ok {
		setTime(r, t)
		m.taken = true
	}
}

// instant reads a time of Log4j, or of Google's.
func instant(m pcommon.Map) (time.Time, bool) {
	seconds, a := m.Get("epochSecond")
	nanos, b := m.Get("nanoOfSecond")
	if !a {
		seconds, a = m.Get("seconds")
		nanos, b = m.Get("nanos")
	}
	if a && b && m.Len() == 2 && seconds.Type() == pcommon.ValueTypeInt && nanos.Type() == pcommon.ValueTypeInt &&
		seconds.Int() > logvalue.LeastSeconds && seconds.Int() < logvalue.LeastMillis/20 && nanos.Int() >= 0 && nanos.Int() < 1e9 {
		return time.Unix(seconds.Int(), nanos.Int()), true
	}
	return time.Time{}, false
}

// extended reads a time of MongoDB's extended JSON: {"$date": "2026-11-24T05:00:00.000+00:00"}.
func extended(m pcommon.Map, clock logvalue.Clock) (time.Time, bool) {
	date, ok := m.Get("$date")
	if !ok || m.Len() != 1 || date.Type() != pcommon.ValueTypeStr {
		return time.Time{}, false
	}
	return clock.Time(date.Str())
}

func (f *fields) liftLevel(r plog.LogRecord) {
	m := f.level.of(f.members)
	if m == nil {
		f.liftNestedLevel(r)
		return
	}
	n, word := plog.SeverityNumberUnspecified, ""
	switch m.kind {
	case pcommon.ValueTypeStr:
		n, word = logvalue.Level(m.text), m.text
		if n == plog.SeverityNumberUnspecified && len(word) == 2 && word[1] == '0' && logvalue.IsDigit(word[0]) {
			n = logvalue.LevelOfTens(int64(word[0]-'0') * 10)
		}
	case pcommon.ValueTypeInt:
		n = logvalue.LevelOfTens(m.int)
		if m.int >= 0 && m.int <= 7 && slices.ContainsFunc(f.members, func(m member) bool { return m.key == "short_message" }) { // GELF
			n, _ = logvalue.LevelOfSyslog(int(m.int))
		}
	}
	if n != plog.SeverityNumberUnspecified {
		r.SetSeverityNumber(n)
		r.SetSeverityText(word)
		m.taken = true
	}
}

// liftNestedLevel takes the level from {"log": {"level": ...}}, as Elastic's libraries nest it.
func (f *fields) liftNestedLevel(r plog.LogRecord) {
	at := slices.IndexFunc(f.members, func(m member) bool { return m.key == "log" && m.kind == pcommon.ValueTypeMap })
	if at < 0 {
		return
	}
	log := f.members[at].nested.Map()
	level, ok := log.Get("level")
	if !ok || level.Type() != pcommon.ValueTypeStr {
		return
	}
	if n := logvalue.Level(level.Str()); n != plog.SeverityNumberUnspecified {
		r.SetSeverityNumber(n)
		r.SetSeverityText(level.Str())
		log.Remove("level")
		f.members[at].taken = log.Len() == 0
	}
}

func (f *fields) liftIDs(r plog.LogRecord) {
	f.trace.take(f.members, func(text string) bool {
		var id pcommon.TraceID
		if at := strings.LastIndex(text, "/traces/"); at >= 0 { // Google's: projects/NAME/traces/ID
			text = text[at+len("/traces/"):]
		}
		ok := unhex(text, id[:])
		if ok {
			r.SetTraceID(id)
		}
		return ok
	})
	f.span.take(f.members, func(text string) bool {
		var id pcommon.SpanID
		ok := unhex(text, id[:])
		if ok {
			r.SetSpanID(id)
		}
		return ok
	})
}

// exception collects an error from the members that describe it, and marks those that have no other content.
func (f *fields) exception() (found Exception) {
	if m := f.failure.of(f.members); m != nil {
		switch m.kind {
		case pcommon.ValueTypeStr:
			found.Message, m.taken = m.text, true
			if strings.Contains(m.text, "\n") {
				if e := ExceptionIn(m.text); e.Type != "" {
					found, found.Stacktrace = e, m.text
				}
			}
		case pcommon.ValueTypeMap:
			m.taken = fromObject(&found, m.nested.Map())
		}
	}
	f.failureType.take(f.members, func(text string) bool {
		found.Type = text
		return true
	})
	f.stack.take(f.members, func(text string) bool {
		if text == "" {
			return false
		}
		found.Stacktrace = text
		if e := ExceptionIn(text); e.Type != "" {
			if found.Type == "" {
				found.Type = e.Type
			}
			if found.Message == "" {
				found.Message = e.Message
			}
		}
		return true
	})
	return found
}

// fromObject reads {"type": ..., "message": ..., "stack": ...} under the names that libraries use, and removes what it could parse. It
// reports whether that was everything.
func fromObject(found *Exception, m pcommon.Map) bool {
	m.RemoveIf(func(key string, v pcommon.Value) bool {
		var to *string
		switch key {
		case "type", "name", "class", "kind", "exception_class":
			to = &found.Type
		case "message", "msg", "exception_message":
			to = &found.Message
		case "stack", "stack_trace", "stacktrace", "extendedStackTrace", "StackTrace":
			to = &found.Stacktrace
		}
		if to == nil || *to != "" || v.Type() != pcommon.ValueTypeStr {
			return false
		}
		*to = v.Str()
		return true
	})
	return m.Len() == 0
}
