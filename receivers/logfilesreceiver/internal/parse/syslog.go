package parse

import (
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

func dateOf(year int, month time.Month, day, hour, minute, second, nanos int) time.Time {
	return time.Date(year, month, day, hour, minute, second, nanos, time.UTC)
}

// syslogPRI parses a message of RFC 5424 or RFC 3164 with its priority, as some daemons write to files.
func syslogPRI(line string, clock logvalue.Clock, r plog.LogRecord) (origin Origin, ok bool) {
	end := strings.IndexByte(line[:min(len(line), 6)], '>')
	if end < 2 {
		return origin, false
	}
	priority, err := strconv.Atoi(line[1:end])
	if err != nil || priority < 0 || priority > 191 {
		return origin, false
	}
	rest := line[end+1:]
	if strings.HasPrefix(rest, "1 ") {
		origin, ok = syslog5424(rest[2:], clock, r)
	} else if origin, ok = syslogFile(rest, clock, r, true); !ok {
		if t, end, found := clock.DateTimeAt(rest, 0); found {
			setTime(r, t)
			origin, ok = isoSyslog(rest, end, r, true), true
		}
	}
	if !ok {
		return Origin{}, false
	}
	number, word := logvalue.LevelOfSyslog(priority & 7)
	r.SetSeverityNumber(number)
	r.SetSeverityText(word)
	r.Attributes().PutInt("syslog.facility", int64(priority>>3))
	return origin, true
}

// syslog5424 parses the part after `<PRI>1 `: TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG.
func syslog5424(rest string, clock logvalue.Clock, r plog.LogRecord) (origin Origin, ok bool) {
	var parts [5]string
	for i := range parts {
		if parts[i], rest, ok = strings.Cut(rest, " "); !ok {
			return origin, false
		}
	}
	if parts[0] != "-" {
		t, end, ok := clock.DateTimeAt(parts[0], 0)
		if !ok || end != len(parts[0]) {
			return origin, false
		}
		setTime(r, t)
	}
	if parts[1] != "-" {
		origin.Host = parts[1]
	}
	if parts[2] != "-" {
		origin.Service = parts[2]
	}
	putProcess(r.Attributes(), parts[3])
	if parts[4] != "-" {
		r.Attributes().PutStr("syslog.msg_id", parts[4])
	}
	structuredData(rest, r.Attributes())
	return origin, true
}

// structuredData parses [id name="value" ...]... into syslog.<id>.<name>.
func structuredData(s string, a pcommon.Map) {
	for strings.HasPrefix(s, "[") {
		id, rest, ok := strings.Cut(s[1:], " ")
		if !ok || strings.Contains(id, "]") {
			return
		}
		for {
			name, value, ok := strings.Cut(rest, "=")
			if !ok {
				return
			}
			text, after, ok := quoted(value)
			if !ok {
				return
			}
			a.PutStr("syslog."+id+"."+strings.TrimSpace(name), strings.ReplaceAll(text, `\]`, `]`))
			if rest = after; strings.HasPrefix(rest, "]") {
				break
			}
		}
		s = rest[1:]
	}
}

// syslogFile parses the default format of syslog daemons: `Nov 24 05:00:00 host app[123]: text`. sure: a priority precedes it.
func syslogFile(line string, clock logvalue.Clock, r plog.LogRecord, sure bool) (origin Origin, ok bool) {
	month, ok := logvalue.MonthAt(line, 0)
	if !ok || len(line) < 17 || line[3] != ' ' || line[6] != ' ' {
		return origin, false
	}
	day, ok := logvalue.Digits(line, 4, 2)
	if line[4] == ' ' {
		day, ok = logvalue.Digits(line, 5, 1)
	}
	if !ok {
		return origin, false
	}
	hour, minute, second, nanos, end, ok := logvalue.ClockAt(line, 7)
	if !ok {
		return origin, false
	}
	t, ok := clock.Latest(month, day, hour, minute, second, nanos)
	if !ok {
		return origin, false
	}
	setTime(r, t)
	origin = isoSyslog(line, end, r, sure)
	if number, word := headLevel(line, end); number != plog.SeverityNumberUnspecified {
		r.SetSeverityNumber(number)
		r.SetSeverityText(word)
	}
	return origin, true
}

// isoSyslog parses ` host app[123]:` after a time. Without a process id, a line such as `12:00 main thread: text` looks the same, so that
// it is syslog only if sure.
func isoSyslog(line string, end int, r plog.LogRecord, sure bool) (origin Origin) {
	if end >= len(line) || line[end] != ' ' {
		return origin
	}
	host, rest, ok := strings.Cut(line[end+1:], " ")
	if !ok || !isHost(host) {
		return origin
	}
	const longest = 64
	tag, _, ok := strings.Cut(rest[:min(len(rest), longest+1)], ":")
	if !ok || tag == "" {
		return origin
	}
	if open := strings.IndexByte(tag, '['); open > 0 && strings.HasSuffix(tag, "]") {
		pid := tag[open+1 : len(tag)-1]
		if _, err := strconv.ParseInt(pid, 10, 64); err != nil {
			return origin
		}
		if tag = tag[:open]; !isTag(tag) {
			return origin
		}
		putProcess(r.Attributes(), pid)
	} else if tag != "kernel" && (!sure || !isTag(tag)) {
		return origin
	}
	return Origin{Host: host, Service: tag}
}

func putProcess(a pcommon.Map, id string) {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil {
		a.PutInt("process.pid", n)
	} else if id != "-" {
		a.PutStr("syslog.proc_id", id)
	}
}

func isHost(s string) bool {
	if s == "" || len(s) > 255 || !logvalue.IsAlnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !logvalue.IsAlnum(c) && c != '-' && c != '.' && c != '_' && c != ':' {
			return false
		}
	}
	return true
}

func isTag(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '[' || c == '"' || c == '=' {
			return false
		}
	}
	return true
}

// klog parses the header of Kubernetes' components: I1124 05:00:00.123456   12345 file.go:123] text.
func klog(line string, clock logvalue.Clock, r plog.LogRecord) bool {
	month, a := logvalue.Digits(line, 1, 2)
	day, b := logvalue.Digits(line, 3, 2)
	if !a || !b || len(line) < 15 || line[5] != ' ' || month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	hour, minute, second, nanos, end, ok := logvalue.ClockAt(line, 6)
	if !ok {
		return false
	}
	t, ok := clock.Latest(time.Month(month), day, hour, minute, second, nanos)
	if !ok {
		return false
	}
	setTime(r, t)
	r.SetSeverityNumber(logvalue.Level(line[:1]))
	r.SetSeverityText(line[:1])
	head, _, ok := strings.Cut(line[end:], "] ")
	if !ok {
		return true
	}
	if parts := strings.Fields(head); len(parts) == 2 {
		if thread, err := strconv.ParseInt(parts[0], 10, 64); err == nil {
			r.Attributes().PutInt("thread.id", thread)
		}
		if file, number, ok := strings.Cut(parts[1], ":"); ok {
			if n, err := strconv.ParseInt(number, 10, 64); err == nil {
				r.Attributes().PutStr("code.file.path", file)
				r.Attributes().PutInt("code.line.number", n)
			}
		}
	}
	return true
}
