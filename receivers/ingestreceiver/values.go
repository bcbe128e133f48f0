package ingestreceiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// outOfRange says that an item's time is too old or too far ahead.
type outOfRange struct{ which string }

func (e *outOfRange) Error() string { return "the timestamp is out of range: " + e.which }

// pick takes the first of some names out of the fields.
func pick(fields map[string]any, names ...string) (any, bool) {
	for _, n := range names {
		if v, ok := fields[n]; ok && v != nil {
			delete(fields, n)
			return v, true
		}
	}
	return nil, false
}

// pickText takes a text or a number out of the fields, as text.
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
		b, _ := json.Marshal(v) // it was JSON
		return string(b)
	}
}

// pickTime takes the item's time out of the fields: RFC 3339, or a number since 1970 in seconds, milli-, micro- or nanoseconds, by its size. mark is
// why it is out of range.
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

// inRange says why a time is out of range, and returns an error where that refuses the item.
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

var errTime = errors.New("the timestamp is neither RFC 3339 nor a number of seconds, milli-, micro- or nanoseconds since 1970")

// layouts are RFC 3339 and what ISO 8601 and libraries write beside it: a space, an offset without colon or minutes, no seconds, no zone (which is UTC).
var layouts = []string{
	"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07", "2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04",
}

// parseDate reads a date and time of one of layouts. A leap second is the first of the next minute.
func parseDate(text string) (time.Time, bool) {
	const timeAt = len("2006-01-02")
	if len(text) < len("2006-01-02T15:04") || len(text) > 64 || text[4] != '-' {
		return time.Time{}, false
	}
	b := []byte(strings.ToUpper(text))
	if b[timeAt] == ' ' || b[timeAt] == '_' {
		b[timeAt] = 'T'
	}
	if i := bytes.IndexByte(b, ','); i > 0 {
		b[i] = '.'
	}
	b = append(b[:timeAt+1], bytes.ReplaceAll(bytes.TrimSuffix(b[timeAt+1:], []byte(" UTC")), []byte(" "), nil)...)
	leap := time.Duration(0)
	if seconds := timeAt + len("T15:04:"); len(b) >= seconds+2 && string(b[seconds-1:seconds+2]) == ":60" {
		copy(b[seconds:], "59")
		leap = time.Second
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, string(b)); err == nil {
			return at.Add(leap), true
		}
	}
	return time.Time{}, false
}

func parseTime(text string) (time.Time, error) {
	if at, ok := parseDate(text); ok {
		if year := at.UTC().Year(); year < 1970 || year > 2261 {
			return at, errTime
		}
		return at, nil
	}
	if f, err := strconv.ParseFloat(text, 64); len(text) > 40 || err != nil || math.IsNaN(f) || f < 0 || f > math.MaxInt64 || f != 0 && f < 1e-9 {
		return time.Time{}, errTime
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return time.Time{}, errTime
	}
	unit := int64(1)
	switch f, _ := exact.Float64(); {
	case f < 1e11:
		unit = 1e9
	case f < 1e14:
		unit = 1e6
	case f < 1e17:
		unit = 1e3
	}
	exact.Mul(exact, new(big.Rat).SetInt64(unit))
	nanos := new(big.Int).Quo(exact.Num(), exact.Denom())
	if !nanos.IsInt64() {
		return time.Time{}, errTime
	}
	return time.Unix(0, nanos.Int64()), nil
}

// levels are the words of logging libraries, and what they begin with.
var levels = map[string]plog.SeverityNumber{
	"trace": plog.SeverityNumberTrace, "trc": plog.SeverityNumberTrace, "finest": plog.SeverityNumberTrace, "finer": plog.SeverityNumberTrace, "verbose": plog.SeverityNumberTrace, "silly": plog.SeverityNumberTrace, "t": plog.SeverityNumberTrace, "v": plog.SeverityNumberTrace, "vrb": plog.SeverityNumberTrace,
	"debug": plog.SeverityNumberDebug, "dbg": plog.SeverityNumberDebug, "d": plog.SeverityNumberDebug, "fine": plog.SeverityNumberDebug,
	"info": plog.SeverityNumberInfo, "inf": plog.SeverityNumberInfo, "i": plog.SeverityNumberInfo, "information": plog.SeverityNumberInfo, "informational": plog.SeverityNumberInfo, "log": plog.SeverityNumberInfo, "config": plog.SeverityNumberInfo,
	"notice": plog.SeverityNumberInfo2, "n": plog.SeverityNumberInfo2,
	"warn": plog.SeverityNumberWarn, "warning": plog.SeverityNumberWarn, "wrn": plog.SeverityNumberWarn, "w": plog.SeverityNumberWarn,
	"error": plog.SeverityNumberError, "err": plog.SeverityNumberError, "e": plog.SeverityNumberError, "severe": plog.SeverityNumberError, "failure": plog.SeverityNumberError,
	"critical": plog.SeverityNumberFatal, "crit": plog.SeverityNumberFatal, "alert": plog.SeverityNumberFatal, "fatal": plog.SeverityNumberFatal, "c": plog.SeverityNumberFatal, "a": plog.SeverityNumberFatal, "dpanic": plog.SeverityNumberFatal, "ftl": plog.SeverityNumberFatal, "f": plog.SeverityNumberFatal,
	"emergency": plog.SeverityNumberFatal4, "emerg": plog.SeverityNumberFatal4, "panic": plog.SeverityNumberFatal4,
}

// severity understands a level: a word in any case, in brackets or with a colon, OpenTelemetry's short names (INFO2) and numbers 1 to 24, pino's and
// bunyan's tens. What it doesn't know stays a text.
func severity(text string) plog.SeverityNumber {
	word := strings.Trim(strings.ToLower(text), " \t\r\n[](){}<>:.!*\"'")
	word = strings.TrimPrefix(word, "severity_number_")
	if n, ok := levels[word]; ok {
		return n
	}
	if base, ok := levels[strings.TrimRight(word, "234")]; ok && len(word)-len(strings.TrimRight(word, "234")) == 1 && (base-1)%4 == 0 {
		return base + plog.SeverityNumber(word[len(word)-1]-'1') // INFO2 of OpenTelemetry
	}
	n, err := strconv.Atoi(word)
	switch {
	case err != nil || n < 1 || n > 60:
		return plog.SeverityNumberUnspecified
	case n%10 == 0:
		return plog.SeverityNumber((n/10-1)*4 + 1)
	case n <= 24:
		return plog.SeverityNumber(n)
	}
	return plog.SeverityNumberUnspecified
}

// setAny writes a value of JSON. An integer stays one.
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
			to.SetStr(v.String()) // larger than a number may be
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

// setAll writes fields in the order of their names, so that what is the same has the same bytes.
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
