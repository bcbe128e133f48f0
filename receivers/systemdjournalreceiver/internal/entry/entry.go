// Package entry parses entries of the systemd journal in the format of `journalctl --output=json`: a field is a string, a list of bytes if
// it is not printable, null if it is larger than journalctl's limit, and a list of those if the entry has it several times.
package entry

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// Entry is the data of a line outside the record.
type Entry struct {
	// Cursor is the position of the entry, after which journalctl continues.
	Cursor string
	// Host and Service are the entry's source, empty if unknown.
	Host, Service string
}

// Parse parses a line into r: MESSAGE is the body, PRIORITY the severity, and every field except MESSAGE and the time an attribute. For a
// line that is not an entry it returns an error and leaves r unchanged.
func Parse(line []byte, r plog.LogRecord) (Entry, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return Entry{}, fmt.Errorf("not a journal entry: %w", err)
	}
	texts := make(map[string]string, len(fields))
	a := r.Attributes()
	a.EnsureCapacity(len(fields))
	for name, raw := range fields {
		value := pcommon.NewValueEmpty()
		if err := field(raw, value); err != nil {
			a.Clear()
			return Entry{}, fmt.Errorf("field %s: %w", name, err)
		}
		texts[name] = text(value)
		if name == "MESSAGE" {
			r.Body().SetStr(strings.ToValidUTF8(texts[name], "\uFFFD"))
			if value.Type() == pcommon.ValueTypeBytes { // the body is incomplete
				value.MoveTo(a.PutEmpty("log.record.original"))
			}
			continue
		}
		if name != "__REALTIME_TIMESTAMP" {
			value.MoveTo(a.PutEmpty(strings.ToValidUTF8(name, "\uFFFD")))
		}
	}
	for _, name := range [...]string{"_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"} {
		if micros, err := strconv.ParseInt(texts[name], 10, 64); err == nil && micros > 0 && logvalue.Fits(time.UnixMicro(micros)) {
			r.SetTimestamp(pcommon.NewTimestampFromTime(time.UnixMicro(micros)))
			break
		}
	}
	if p := texts["PRIORITY"]; len(p) == 1 && p[0] >= '0' && p[0] <= '7' {
		number, word := logvalue.LevelOfSyslog(int(p[0] - '0'))
		r.SetSeverityNumber(number)
		r.SetSeverityText(word)
	}
	return Entry{Cursor: texts["__CURSOR"], Host: valid(texts["_HOSTNAME"]), Service: valid(service(texts))}, nil
}

// field parses a value.
func field(raw json.RawMessage, to pcommon.Value) error {
	switch raw[0] {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		to.SetStr(s)
		return err
	case '[':
		return list(raw, to)
	case 'n':
		return nil
	default:
		return fmt.Errorf("%.20q is not a string, list or null", raw)
	}
}

// list parses a list of bytes, or of values.
func list(raw json.RawMessage, to pcommon.Value) error {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	bytes := make([]byte, 0, len(items))
	for _, item := range items {
		b, err := strconv.ParseUint(string(item), 10, 8)
		if err != nil {
			break
		}
		bytes = append(bytes, byte(b))
	}
	switch {
	case len(bytes) < len(items):
	case utf8.Valid(bytes):
		to.SetStr(string(bytes))
		return nil
	default:
		to.SetEmptyBytes().FromRaw(bytes)
		return nil
	}
	values := to.SetEmptySlice()
	for _, item := range items {
		if err := field(item, values.AppendEmpty()); err != nil {
			return err
		}
	}
	return nil
}

// text is a value as text; of several values, one per line.
func text(v pcommon.Value) string {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return v.Str()
	case pcommon.ValueTypeBytes:
		return string(v.Bytes().AsRaw())
	case pcommon.ValueTypeSlice:
		var all []string
		for _, item := range v.Slice().All() {
			all = append(all, text(item))
		}
		return strings.Join(all, "\n")
	}
	return ""
}

// service is the source of an entry: the container that Docker or Podman names, the unit, else the program. A unit that is not a service
// is a session or a slice, for which the program's name says more.
func service(texts map[string]string) string {
	if name := texts["CONTAINER_NAME"]; name != "" {
		return name
	}
	for _, field := range [...]string{"_SYSTEMD_USER_UNIT", "_SYSTEMD_UNIT"} {
		name, ok := strings.CutSuffix(texts[field], ".service")
		if ok && name != "" && (field != "_SYSTEMD_UNIT" || !strings.HasPrefix(name, "user@")) {
			return name
		}
	}
	for _, field := range [...]string{"SYSLOG_IDENTIFIER", "_COMM", "_SYSTEMD_UNIT"} {
		if texts[field] != "" {
			return texts[field]
		}
	}
	if texts["_TRANSPORT"] == "kernel" {
		return "kernel"
	}
	return ""
}

func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
