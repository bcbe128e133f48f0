package parse

import (
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// Origin is a line's information about its resource; empty: none.
type Origin struct{ Service, Host string }

// OwnPrefix is the prefix of members whose name the reader uses itself: `log.file.path` is stored as `app.log.file.path`.
const OwnPrefix = "app."

// Reserved reports whether the reader uses attributes of this name.
func Reserved(name string) bool {
	if !strings.HasPrefix(name, "log.") {
		return false
	}
	return strings.HasPrefix(name, "log.file.") || name == "log.iostream" || name == "log.record.original"
}

func safeName(name string) string {
	if Reserved(name) {
		return OwnPrefix + name
	}
	return name
}

// MaxCopied is the length of a text, in bytes, from which on nothing is copied from it into attributes: the body, a stack trace, a message
// and the original would have four times its size, and the next hop accepts no record of more than 20 MiB.
const MaxCopied = 4 << 20

// Record fills r from text, which becomes the body unless JSON has a message: time, level, trace and span id, and attributes. trace is
// where a stack trace begins in text, negative: nowhere. large reports that the text is JSON with too many members or levels, or is longer
// than MaxCopied and not JSON: then it has no attributes. r must have neither attributes nor body before.
func (p *Parser) Record(text string, trace int, clock logvalue.Clock, r plog.LogRecord) (origin Origin, large bool) {
	if isObject(text) {
		err := p.object(text)
		if err == nil {
			p.lift(r, clock, true)
		}
		p.forget()
		if err == nil {
			if r.Body().Type() == pcommon.ValueTypeEmpty {
				r.Body().SetStr(text)
			}
			return origin, false
		}
		large = errors.Is(err, errLarge)
	}
	r.Body().SetStr(text)
	origin = p.plain(text, clock, r)
	if len(text) > MaxCopied {
		r.Attributes().Clear()
		return origin, true
	}
	if trace >= 0 {
		found := ExceptionIn(text[trace:])
		found.put(r.Attributes(), text[trace:])
		if r.SeverityNumber() == plog.SeverityNumberUnspecified && found.Fatal {
			r.SetSeverityNumber(plog.SeverityNumberFatal)
		}
	}
	return origin, large
}

// isObject reports whether text begins and ends like a JSON object.
func isObject(text string) bool {
	i := 0
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	if i == len(text) || text[i] != '{' {
		return false
	}
	return strings.HasSuffix(strings.TrimRight(text, " \t\r\n"), "}")
}

// plain parses a line that is not JSON. The first byte selects the formats to try.
func (p *Parser) plain(text string, clock logvalue.Clock, r plog.LogRecord) (origin Origin) {
	line := text
	if end := strings.IndexByte(text, '\n'); end >= 0 {
		line = text[:end]
	}
	if line == "" {
		return origin
	}
	var done bool
	switch c := line[0]; {
	case c == '<':
		origin, done = syslogPRI(line, clock, r)
	case logvalue.IsDigit(c):
		done = access(line, clock, r)
	case c == '[':
		done = apacheError(line, clock, r)
	case c == 'I' || c == 'W' || c == 'E' || c == 'F':
		done = klog(line, clock, r)
	}
	if !done && isLetter(line[0]) {
		if origin, done = syslogFile(line, clock, r, false); !done {
			if done = p.logfmt(text, clock, r); !done {
				done = access(line, clock, r) // a host name or an IPv6 address
			}
		}
	} else if !done && (line[0] == ':' || line[0] == '-') {
		done = access(line, clock, r)
	}
	if !done {
		origin = headed(line, clock, r)
	}
	ids(line, r)
	return origin
}

// headed searches for a time at the beginning of a line, or after ts= and time=, and for a level near it.
func headed(line string, clock logvalue.Clock, r plog.LogRecord) (origin Origin) {
	from := 0
	if t, end, ok := headTime(line, clock); ok {
		setTime(r, t)
		from = end
		if line[0] != '[' {
			origin = isoSyslog(line, end, r, false)
		}
	}
	if number, word := headLevel(line, from); number != plog.SeverityNumberUnspecified {
		r.SetSeverityNumber(number)
		r.SetSeverityText(word)
	}
	if from > 4 && line[4] == '/' && strings.Contains(line, ", client: ") {
		nginxError(line, r)
	}
	return origin
}

// headTime parses the time at the beginning of a plain line; end is after it.
func headTime(line string, clock logvalue.Clock) (t time.Time, end int, ok bool) {
	i := 0
	if !logvalue.IsAlnum(line[0]) && line[0] < 0x80 {
		i = 1
	}
	if i == len(line) {
		return t, 0, false
	}
	if isLetter(line[0]) && strings.HasPrefix(line[1:], ", [") { // Ruby's: I, [2026-11-24T05:00:00.123456 #77]  INFO -- : text
		return clock.DateTimeAt(line, 4)
	}
	if logvalue.IsDigit(line[i]) {
		if t, end, ok = clock.DateTimeAt(line, i); ok {
			return t, end, ok
		}
		if t, end, ok = clock.CLFAt(line, i); ok {
			return t, end, ok
		}
		if hour, minute, second, nanos, end, ok := logvalue.ClockAt(line, i); ok && (end == len(line) || !logvalue.IsAlnum(line[end])) {
			return clock.Today(hour, minute, second, nanos), end, true
		}
	}
	for _, key := range [...]string{"ts=", "time="} {
		at := strings.Index(line[:min(len(line), 64)], key)
		if at < 0 || at > 0 && logvalue.IsAlnum(line[at-1]) {
			continue
		}
		at += len(key)
		if at < len(line) && line[at] == '"' {
			at++
		}
		if t, end, ok = clock.DateTimeAt(line, at); ok {
			return t, end, ok
		}
	}
	return t, 0, false
}

// Structured reports whether the beginning of a line has a time or a level, or a known format, so that it starts a record; and returns its
// level.
func Structured(line string) (bool, plog.SeverityNumber) {
	if isObject(line) {
		return true, plog.SeverityNumberUnspecified
	}
	r := plog.NewLogRecord()
	new(Parser).plain(line, logvalue.Clock{Now: time.Unix(0, 0)}, r)
	return r.Timestamp() != 0 || r.SeverityNumber() != plog.SeverityNumberUnspecified || r.Attributes().Len() > 0, r.SeverityNumber()
}

// Final reports that no later line can belong to this one: it is JSON, or of an access log.
func Final(line string) bool {
	if line == "" {
		return false
	}
	if isObject(line) {
		return true
	}
	if last := line[len(line)-1]; last != '"' && !logvalue.IsDigit(last) {
		return false
	}
	return access(line, logvalue.Clock{Now: time.Unix(0, 0)}, plog.NewLogRecord())
}

func setTime(r plog.LogRecord, t time.Time) { r.SetTimestamp(pcommon.NewTimestampFromTime(t)) }

// ids finds trace_id and span_id with a value of the right length, anywhere in a plain line.
func ids(line string, r plog.LogRecord) {
	const traceLength, spanLength = 32, 16
	if !hasHex(line, spanLength) {
		return
	}
	if value, ok := idAfter(line, "race", "RACE", traceLength); ok {
		var id pcommon.TraceID
		if unhex(value, id[:]) {
			r.SetTraceID(id)
		}
	}
	if value, ok := idAfter(line, "pan", "PAN", spanLength); ok {
		var id pcommon.SpanID
		if unhex(value, id[:]) {
			r.SetSpanID(id)
		}
	}
	if r.TraceID().IsEmpty() {
		correlated(line, r)
	}
}

// correlated finds the ids in Spring Boot's format: [trace-span], after an application's name and a comma or alone.
func correlated(line string, r plog.LogRecord) {
	const traceLength, spanLength = 32, 16
	for at := traceLength; ; at++ {
		dash := strings.IndexByte(line[min(at, len(line)):], '-')
		if dash < 0 {
			return
		}
		at += dash
		end := at + 1 + spanLength
		if end >= len(line) || line[end] != ']' {
			continue
		}
		var trace pcommon.TraceID
		var span pcommon.SpanID
		if unhex(line[at-traceLength:at], trace[:]) && unhex(line[at+1:end], span[:]) && (at == traceLength || !logvalue.IsAlnum(line[at-traceLength-1])) {
			r.SetTraceID(trace)
			r.SetSpanID(span)
			return
		}
	}
}

// hasHex reports whether there are n consecutive hexadecimal digits. It checks every nth byte first, and goes back from there.
func hasHex(line string, n int) bool {
	for i := n - 1; i < len(line); {
		at := i
		for at > i-n && kinds[line[at]]&hexadecimal != 0 {
			at--
		}
		if at == i-n {
			return true
		}
		i = at + n
	}
	return false
}

func idAfter(line, lower, upper string, length int) (string, bool) {
	for _, word := range [...]string{lower, upper} {
		for rest := line; ; {
			at := strings.Index(rest, word)
			if at < 0 {
				break
			}
			first := byte(0)
			if at > 0 {
				first = rest[at-1] | 0x20
			}
			before := at < 2 || !logvalue.IsAlnum(rest[at-2])
			rest = rest[at+len(word):]
			if first != 't' && first != 's' || !before {
				continue
			}
			value := strings.TrimLeft(rest, "_.-")
			if len(value) < 2 || !strings.EqualFold(value[:2], "id") {
				continue
			}
			value = strings.TrimLeft(value[2:], "\"'=: ")
			if len(value) >= length && (len(value) == length || !logvalue.IsAlnum(value[length])) {
				return value[:length], true
			}
		}
	}
	return "", false
}

// unhex decodes s into dst. A value of zeros is not an id.
func unhex(s string, dst []byte) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	var any byte
	for i := range dst {
		high, a := nibble(s[2*i])
		low, b := nibble(s[2*i+1])
		if !a || !b {
			return false
		}
		dst[i] = high<<4 | low
		any |= dst[i]
	}
	return any != 0
}

func nibble(c byte) (byte, bool) {
	switch {
	case logvalue.IsDigit(c):
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
