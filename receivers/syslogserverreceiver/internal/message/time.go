package message

import (
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// at parses the time at the beginning of a traditional message: `Nov 24 05:00:00`, with a fraction, with a year before it, after the day or
// after the time, or in the form of RFC 3339. end is after it and its zone.
func (c Clock) at(s string) (t time.Time, end int, ok bool) {
	if s == "" {
		return t, 0, false
	}
	if year, ok := yearAt(s, 0); ok {
		if _, ok := logvalue.MonthAt(s, len("2026 ")); ok {
			t, end, ok = c.monthly(s, len("2026 "), year)
			return t, end, ok
		}
	}
	if logvalue.IsDigit(s[0]) {
		word, _, _ := strings.Cut(s, " ")
		word = strings.TrimSuffix(word, ":")
		t, end, ok = c.iso(word)
		return t, end, ok && end == len(word)
	}
	return c.monthly(s, 0, 0)
}

// monthly parses a time that begins with the name of a month at s[from]. year is 0 if no year precedes it.
func (c Clock) monthly(s string, from, year int) (t time.Time, end int, ok bool) {
	month, ok := logvalue.MonthAt(s, from)
	if !ok || len(s)-from < len("Jan 2 15:04:05") || s[from+3] != ' ' {
		return t, 0, false
	}
	i := from + 4
	if s[i] == ' ' {
		i++
	}
	day, ok := logvalue.Digits(s, i, 2)
	if i += 2; !ok {
		i--
		if day, ok = logvalue.Digits(s, i-1, 1); !ok {
			return t, 0, false
		}
	}
	if i >= len(s) || s[i] != ' ' {
		return t, 0, false
	}
	if y, ok := yearAt(s, i+1); ok && year == 0 {
		year, i = y, i+5
	}
	hour, minute, second, nanos, end, ok := logvalue.ClockAt(s, i+1)
	if !ok {
		return t, 0, false
	}
	if y, ok := yearAt(s, end+1); ok && year == 0 && s[end] == ' ' && y >= 1970 && y <= c.Now.Year()+1 {
		year, end = y, end+5
	}
	clock := logvalue.Clock{Now: c.Now, Local: c.Local}
	if offset, after, found := logvalue.ZoneAt(s, end); found && (after == len(s) || s[after] == ' ' || s[after] == ':') {
		clock.Local, end = time.FixedZone("", int(offset/time.Second)), after
	} else if after := abbreviation(s, end); after > 0 {
		end = after
	}
	if year == 0 {
		t, ok = clock.Latest(month, day, hour, minute, second, nanos)
		return t, end, ok
	}
	t = clock.In(time.Date(year, month, day, hour, minute, second, nanos, time.UTC))
	return t, end, day > 0 && time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Month() == month && logvalue.Fits(t)
}

// yearAt reads a year of four digits with a space after it.
func yearAt(s string, i int) (year int, ok bool) {
	year, ok = logvalue.Digits(s, i, 4)
	return year, ok && i+4 < len(s) && s[i+4] == ' '
}

// iso parses a time of RFC 3339; end is after it. The zone may be missing, or have no colon.
func (c Clock) iso(s string) (t time.Time, end int, ok bool) {
	return logvalue.Clock{Now: c.Now, Local: c.Local}.DateTimeAt(s, 0)
}

// abbreviation returns the end of a zone's name before a colon, as in messages of Cisco's devices: ` CET:`. Its offset is unknown.
func abbreviation(s string, i int) int {
	if i >= len(s) || s[i] != ' ' {
		return 0
	}
	end := i + 1
	for end < len(s) && end < i+6 && s[end] >= 'A' && s[end] <= 'Z' {
		end++
	}
	if end > i+2 && strings.HasPrefix(s[end:], ": %") {
		return end
	}
	return 0
}
