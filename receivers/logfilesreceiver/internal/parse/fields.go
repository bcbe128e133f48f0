package parse

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// candidate is the member that fits a role best.
type candidate struct {
	key   string
	value pcommon.Value
	rank  int
	set   bool
}

func (c *candidate) offer(key string, value pcommon.Value, rank int) {
	if !c.set || rank < c.rank {
		*c = candidate{key, value, rank, true}
	}
}

// fields are the members of a structured line that a log record has a place for. Libraries name them differently; the rank orders the
// names where a line has several.
type fields struct {
	attributes                        pcommon.Map
	time, level, message, trace, span candidate
	failure, failureType, stack       candidate
}

func collect(a pcommon.Map) *fields {
	f := &fields{attributes: a}
	for key, value := range a.All() {
		f.role(key, value)
	}
	return f
}

func (f *fields) role(key string, value pcommon.Value) {
	switch key {
	case "time":
		f.time.offer(key, value, 0)
	case "timestamp":
		f.time.offer(key, value, 1)
	case "@timestamp", "@t":
		f.time.offer(key, value, 2)
	case "ts":
		f.time.offer(key, value, 3)
	case "t":
		f.time.offer(key, value, 4)
	case "datetime", "asctime", "timeMillis", "Timestamp", "eventTime", "instant", "date":
		f.time.offer(key, value, 5)
	case "level":
		f.level.offer(key, value, 0)
	case "severity":
		f.level.offer(key, value, 1)
	case "log.level":
		f.level.offer(key, value, 2)
	case "levelname":
		f.level.offer(key, value, 3)
	case "lvl":
		f.level.offer(key, value, 4)
	case "LogLevel", "Level", "loglevel", "log_level", "severity_text", "severityText", "@l":
		f.level.offer(key, value, 5)
	case "message":
		f.message.offer(key, value, 0)
	case "msg":
		f.message.offer(key, value, 1)
	case "@m", "event", "short_message", "Message", "RenderedMessage", "textPayload":
		f.message.offer(key, value, 2)
	case "@mt", "MessageTemplate":
		f.message.offer(key, value, 3)
	case "trace_id":
		f.trace.offer(key, value, 0)
	case "traceId", "trace.id", "traceID", "TraceId", "traceid", "dd.trace_id", "@tr":
		f.trace.offer(key, value, 1)
	case "span_id":
		f.span.offer(key, value, 0)
	case "spanId", "span.id", "spanID", "SpanId", "spanid", "dd.span_id", "@sp":
		f.span.offer(key, value, 1)
	default:
		f.failureRole(key, value)
	}
}

func (f *fields) failureRole(key string, value pcommon.Value) {
	switch key {
	case "error", "err":
		f.failure.offer(key, value, 0)
	case "thrown", "exception":
		f.failure.offer(key, value, 1)
	case "error.message", "error_message":
		f.failure.offer(key, value, 2)
	case "error.type", "error.kind", "error_type", "exception_class":
		f.failureType.offer(key, value, 0)
	case "stack_trace":
		f.stack.offer(key, value, 0)
	case "stacktrace", "error.stack_trace", "error.stack", "errorVerbose":
		f.stack.offer(key, value, 1)
	case "stack", "exc_info", "@x", "Exception", "traceback":
		f.stack.offer(key, value, 2)
	}
}

// liftJSON moves what has a place in a record from the attributes there. An attribute goes only when it was understood.
func liftJSON(r plog.LogRecord, clock logvalue.Clock) {
	f := collect(r.Attributes())
	f.lift(r, clock)
	if m := f.message; m.set && m.value.Type() == pcommon.ValueTypeStr {
		r.Body().SetStr(m.value.Str())
		r.Attributes().Remove(m.key)
	}
}

func (f *fields) lift(r plog.LogRecord, clock logvalue.Clock) {
	var gone [8]string
	used := gone[:0]
	if f.liftTime(r, clock) {
		used = append(used, f.time.key)
	}
	if f.liftLevel(r) {
		used = append(used, f.level.key)
	}
	if f.trace.set {
		var id pcommon.TraceID
		if f.trace.value.Type() == pcommon.ValueTypeStr && unhex(f.trace.value.Str(), id[:]) {
			r.SetTraceID(id)
			used = append(used, f.trace.key)
		}
	}
	if f.span.set {
		var id pcommon.SpanID
		if f.span.value.Type() == pcommon.ValueTypeStr && unhex(f.span.value.Str(), id[:]) {
			r.SetSpanID(id)
			used = append(used, f.span.key)
		}
	}
	found, more := f.exception()
	used = append(used, more...)
	if len(used) > 0 {
		f.attributes.RemoveIf(func(key string, _ pcommon.Value) bool {
			for _, u := range used {
				if u == key {
					return true
				}
			}
			return false
		})
		if f.message.set { // removal moves what is behind it
			f.message.value, f.message.set = f.attributes.Get(f.message.key)
		}
	}
	found.put(f.attributes, "")
}

func (f *fields) liftTime(r plog.LogRecord, clock logvalue.Clock) bool {
	if !f.time.set {
		return false
	}
	switch v := f.time.value; v.Type() {
	case pcommon.ValueTypeStr:
		if t, ok := clock.Time(v.Str()); ok {
			setTime(r, t)
			return true
		}
	case pcommon.ValueTypeInt:
		if t, ok := logvalue.Since1970(v.Int()); ok {
			setTime(r, t)
			return true
		}
	case pcommon.ValueTypeDouble:
		if t, ok := logvalue.Since1970Float(v.Double()); ok {
			setTime(r, t)
			return true
		}
	case pcommon.ValueTypeMap: // Log4j's instant
		seconds, a := v.Map().Get("epochSecond")
		nanos, b := v.Map().Get("nanoOfSecond")
		if a && b && v.Map().Len() == 2 && seconds.Type() == pcommon.ValueTypeInt && nanos.Type() == pcommon.ValueTypeInt &&
			seconds.Int() > logvalue.LeastSeconds && seconds.Int() < logvalue.LeastMillis/20 && nanos.Int() >= 0 && nanos.Int() < 1e9 {
			r.SetTimestamp(pcommon.Timestamp(seconds.Int()*1e9 + nanos.Int()))
			return true
		}
	}
	return false
}

func (f *fields) liftLevel(r plog.LogRecord) bool {
	if !f.level.set {
		return false
	}
	switch v := f.level.value; v.Type() {
	case pcommon.ValueTypeStr:
		n := logvalue.Level(v.Str())
		if n == plog.SeverityNumberUnspecified && len(v.Str()) == 2 && strings.HasSuffix(v.Str(), "0") && logvalue.IsDigit(v.Str()[0]) {
			n = logvalue.LevelOfTens(int64(v.Str()[0]-'0') * 10)
		}
		if n != plog.SeverityNumberUnspecified {
			r.SetSeverityNumber(n)
			r.SetSeverityText(v.Str())
			return true
		}
	case pcommon.ValueTypeInt:
		n := logvalue.LevelOfTens(v.Int())
		if _, gelf := f.attributes.Get("short_message"); gelf && v.Int() >= 0 && v.Int() <= 7 {
			n, _ = logvalue.LevelOfSyslog(int(v.Int()))
		}
		if n != plog.SeverityNumberUnspecified {
			r.SetSeverityNumber(n)
			return true
		}
	}
	return false
}

// exception gathers an error from the members that tell of it, and returns the keys that have nothing else.
func (f *fields) exception() (found Exception, used []string) {
	if c := f.failure; c.set {
		switch c.value.Type() {
		case pcommon.ValueTypeStr:
			text := c.value.Str()
			if e := ExceptionIn(text); e.Type != "" && strings.Contains(text, "\n") {
				found, found.Stacktrace = e, text
			} else {
				found.Message = text
			}
			used = append(used, c.key)
		case pcommon.ValueTypeMap:
			if fromObject(&found, c.value.Map()) {
				used = append(used, c.key)
			}
		}
	}
	if c := f.failureType; c.set && c.value.Type() == pcommon.ValueTypeStr {
		found.Type = c.value.Str()
		used = append(used, c.key)
	}
	if c := f.stack; c.set && c.value.Type() == pcommon.ValueTypeStr && c.value.Str() != "" {
		found.Stacktrace = c.value.Str()
		used = append(used, c.key)
		if e := ExceptionIn(found.Stacktrace); e.Type != "" {
			if found.Type == "" {
				found.Type = e.Type
			}
			if found.Message == "" {
				found.Message = e.Message
			}
		}
	}
	return found, used
}

// fromObject reads {"type": ..., "message": ..., "stack": ...} under the names that libraries give, and takes what it understood out. It
// says whether that was all.
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
