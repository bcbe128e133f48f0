package ingestreceiver

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// outOfRange says that an item's time is too old or too far ahead.
type outOfRange struct{ which string }

func (e *outOfRange) Error() string { return "the timestamp is out of range: " + e.which }

// pick removes the first existing one of some names from the fields.
func pick(fields map[string]any, names ...string) (any, bool) {
	for _, n := range names {
		if v, ok := fields[n]; ok && v != nil {
			delete(fields, n)
			return v, true
		}
	}
	return nil, false
}

// pickText removes a string or a number from the fields, and returns it as text.
func pickText(fields map[string]any, names ...string) string {
	v, ok := pick(fields, names...)
	if !ok {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		b, _ := json.Marshal(v) // it was valid JSON
		return string(b)
	}
}

// pickTime removes the item's time from the fields: RFC 3339, or a number since 1970 in seconds, milli-, micro- or nanoseconds, by its
// size. mark is why it is out of range.
func (b *batch) pickTime(fields map[string]any) (at time.Time, mark string, err error) {
	v, ok := pick(fields, "timestamp", "time", "@timestamp", "ts")
	if !ok {
		return b.now, "", nil
	}
	text := ""
	switch v := v.(type) {
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = v.String()
	}
	if at, err = parseTime(text); err != nil {
		return at, "", err
	}
	mark, err = b.inRange(at)
	return at, mark, err
}

// inRange returns why a time is out of range, and an error if that refuses the item.
func (b *batch) inRange(at time.Time) (mark string, err error) {
	switch {
	case b.cfg.MaxAge > 0 && b.now.Sub(at) > b.cfg.MaxAge:
		mark = "past"
	case b.cfg.MaxFuture > 0 && at.Sub(b.now) > b.cfg.MaxFuture:
		mark = "future"
	}
	if mark != "" && b.cfg.OnTime == refuseTime {
		return mark, &outOfRange{mark}
	}
	return mark, nil
}

var errTime = errors.New("the timestamp must be RFC 3339 or a number of seconds, milli-, micro- or nanoseconds since 1970")

// parseTime parses RFC 3339 and variants of ISO 8601 and of libraries: a space, an offset without colon or minutes, no seconds, no zone
// (which means UTC); or a number.
func parseTime(text string) (time.Time, error) {
	if at, ok := (logvalue.Clock{Local: time.UTC}).Date(text); ok {
		return at, nil
	}
	if at, ok := logvalue.Number(text); ok {
		return at, nil
	}
	return time.Time{}, errTime
}

// severity parses a level: a word in any case, in brackets or with a colon, OpenTelemetry's short names (INFO2) and numbers 1 to 24,
// pino's and bunyan's tens. Other texts are kept.
func severity(text string) plog.SeverityNumber {
	word := strings.Trim(strings.ToLower(text), " \t\r\n[](){}<>:.!*\"'")
	word = strings.TrimPrefix(word, "severity_number_")
	if n := logvalue.Level(word); n != plog.SeverityNumberUnspecified {
		return n
	}
	n, err := strconv.Atoi(word)
	switch {
	case err != nil || n < 1 || n > 60:
		return plog.SeverityNumberUnspecified
	case n%10 == 0:
		return logvalue.LevelOfTens(int64(n))
	case n <= 24:
		return plog.SeverityNumber(n)
	}
	return plog.SeverityNumberUnspecified
}

// setAny writes a value of JSON. An integer stays an integer.
func setAny(to pcommon.Value, v any) {
	switch v := v.(type) {
	case string:
		to.SetStr(v)
	case bool:
		to.SetBool(v)
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			to.SetInt(n)
		} else if f, err := v.Float64(); err == nil {
			to.SetDouble(f)
		} else {
			to.SetStr(v.String()) // outside the range of numbers
		}
	case []any:
		list := to.SetEmptySlice()
		list.EnsureCapacity(len(v))
		for _, e := range v {
			setAny(list.AppendEmpty(), e)
		}
	case map[string]any:
		setAll(to.SetEmptyMap(), v)
	}
}

// setAll writes fields in the order of their names, so that equal fields have equal bytes.
func setAll(to pcommon.Map, fields map[string]any) {
	to.EnsureCapacity(to.Len() + len(fields))
	for _, name := range sorted(fields) {
		setAny(to.PutEmpty(name), fields[name])
	}
}

// number reads a sample's value.
func number(v any) (float64, int64, bool, error) {
	text := ""
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	case bool:
		return 0, map[bool]int64{true: 1}[v], true, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return 0, n, true, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, 0, false, fmt.Errorf("the value is not a number")
	}
	return f, 0, false, nil
}
