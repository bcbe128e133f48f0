package parse

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Clock is what a time that does not say everything is completed by.
type Clock struct {
	// Now is when the line was read, or when a container runtime got it from the application.
	Now time.Time
	// Exact says that Now is the runtime's: a time without a zone is then in the zone that puts it next to Now.
	Exact bool
	// Local is the zone of times that name none; nil: that of this process.
	Local *time.Location
}

// in places a wall clock's time that was parsed as UTC.
func (c Clock) in(t time.Time) time.Time {
	const step, farthest = 15 * time.Minute, 14 * time.Hour
	if c.Exact {
		if zone := t.Sub(c.Now).Round(step); zone.Abs() <= farthest {
			return t.Add(-zone)
		}
	}
	local := c.Local
	if local == nil {
		local = time.Local
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), local)
}

// latest completes a time that names no year: it is the latest that is not more than a day ahead of Now.
func (c Clock) latest(month time.Month, day, hour, minute, second, nanos int) (time.Time, bool) {
	for year := c.Now.Year() + 1; year > c.Now.Year()-8; year-- { // eight: 29 February
		if day < 1 || day > daysIn(year, int(month)) {
			continue
		}
		if t := c.in(time.Date(year, month, day, hour, minute, second, nanos, time.UTC)); t.Sub(c.Now) <= 24*time.Hour {
			return t, true
		}
	}
	return time.Time{}, false
}

// today completes a time of day.
func (c Clock) today(hour, minute, second, nanos int) time.Time {
	local := c.Local
	if local == nil {
		local = time.Local
	}
	now := c.Now.In(local)
	if c.Exact {
		now = c.Now.UTC()
	}
	var best time.Time
	for day := now.Day() - 1; day <= now.Day()+1; day++ {
		t := c.in(time.Date(now.Year(), now.Month(), day, hour, minute, second, nanos, time.UTC))
		if best.IsZero() || t.Sub(c.Now).Abs() < best.Sub(c.Now).Abs() {
			best = t
		}
	}
	return best
}

// digits reads exactly n digits at i.
func digits(s string, i, n int) (int, bool) {
	if i < 0 || len(s)-i < n {
		return 0, false
	}
	v := 0
	for _, c := range []byte(s[i : i+n]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

// clockAt reads hh:mm:ss and a fraction at i; end is behind it. A second of 60 is a leap second, and becomes the next one.
func clockAt(s string, i int) (hour, minute, second, nanos, end int, ok bool) {
	var a, b, c bool
	hour, a = digits(s, i, 2)
	minute, b = digits(s, i+3, 2)
	second, c = digits(s, i+6, 2)
	if !a || !b || !c || s[i+2] != ':' || s[i+5] != ':' || hour > 23 || minute > 59 || second > 60 {
		return 0, 0, 0, 0, 0, false
	}
	end = i + 8
	if end+1 < len(s) && (s[end] == '.' || s[end] == ',') && isDigit(s[end+1]) {
		scale := 100_000_000
		for end++; end < len(s) && isDigit(s[end]); end++ {
			nanos += int(s[end]-'0') * scale
			scale /= 10
		}
	}
	return hour, minute, second, nanos, end, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// zoneAt reads Z, UTC, GMT, +01:00, +0100 or +01 at i, behind at most one space.
func zoneAt(s string, i int) (offset time.Duration, end int, ok bool) {
	at := i
	if at < len(s) && s[at] == ' ' {
		at++
	}
	rest := s[at:]
	bounded := func(n int) bool { return len(rest) == n || !isAlnum(rest[n]) }
	switch {
	case strings.HasPrefix(rest, "Z") && bounded(1):
		return 0, at + 1, true
	case (strings.HasPrefix(rest, "UTC") || strings.HasPrefix(rest, "GMT")) && bounded(3):
		return 0, at + 3, true
	case rest == "" || rest[0] != '+' && rest[0] != '-':
		return 0, i, false
	}
	hours, ok := digits(rest, 1, 2)
	if !ok || hours > 15 {
		return 0, i, false
	}
	n := 3
	minutes, ok := digits(rest, 4, 2)
	if ok && rest[3] == ':' {
		n = 6
	} else if minutes, ok = digits(rest, 3, 2); ok {
		n = 5
	}
	if !bounded(n) || minutes > 59 {
		return 0, i, false
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if rest[0] == '-' {
		offset = -offset
	}
	return offset, at + n, true
}

func isAlnum(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// dateTimeAt reads a date of four digits for the year, and a time, at i: RFC 3339 and its relatives: a space for T, / for -, a comma
// before the fraction, no zone.
func (c Clock) dateTimeAt(s string, i int) (t time.Time, end int, ok bool) {
	year, a := digits(s, i, 4)
	month, b := digits(s, i+5, 2)
	day, d := digits(s, i+8, 2)
	if !a || !b || !d || len(s) < i+19 || s[i+4] != s[i+7] || s[i+4] != '-' && s[i+4] != '/' && s[i+4] != '.' ||
		s[i+10] != 'T' && s[i+10] != ' ' && s[i+10] != 't' && s[i+10] != '_' && s[i+10] != ':' {
		return t, 0, false
	}
	hour, minute, second, nanos, end, ok := clockAt(s, i+11)
	if !ok || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return t, 0, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if offset, after, ok := zoneAt(s, end); ok {
		return t.Add(-offset), after, true
	}
	return c.in(t), end, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// clfAt reads a time in the Common Log Format at i: 10/Oct/2026:13:55:36 -0700.
func (c Clock) clfAt(s string, i int) (t time.Time, end int, ok bool) {
	day, a := digits(s, i, 2)
	year, b := digits(s, i+7, 4)
	if !a || !b || len(s) < i+20 || s[i+2] != s[i+6] || s[i+2] != '/' && s[i+2] != '-' || s[i+11] != ':' && s[i+11] != ' ' {
		return t, 0, false
	}
	month, ok := monthAt(s, i+3)
	if !ok || day < 1 || day > daysIn(year, int(month)) {
		return t, 0, false
	}
	hour, minute, second, nanos, end, ok := clockAt(s, i+12)
	if !ok {
		return t, 0, false
	}
	t = time.Date(year, month, day, hour, minute, second, nanos, time.UTC)
	if offset, after, ok := zoneAt(s, end); ok {
		return t.Add(-offset), after, true
	}
	return c.in(t), end, true
}

func monthAt(s string, i int) (time.Month, bool) {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	if i < 0 || len(s) < i+3 {
		return 0, false
	}
	at := strings.Index(names, s[i:i+3])
	return time.Month(at/3 + 1), at >= 0 && at%3 == 0
}

// timeOf reads a whole text as a time, numbers since 1970 included.
func (c Clock) timeOf(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if t, end, ok := c.dateTimeAt(s, 0); ok && end == len(s) {
		return t, true
	}
	if t, end, ok := c.clfAt(s, 0); ok && end == len(s) {
		return t, true
	}
	if len(s) < 9 || !isDigit(s[0]) {
		return time.Time{}, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return sinceEpoch(n)
	}
	if integer, ok := numberKind(s); ok && !integer {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return sinceEpochFloat(f)
		}
	}
	return time.Time{}, false
}

// Bounds between numbers of seconds, milliseconds, microseconds and nanoseconds since 1970: each holds times from 1973 to 5138.
const (
	leastSeconds = 1e8
	leastMillis  = 1e11
	leastMicros  = 1e14
	leastNanos   = 1e17
)

func sinceEpoch(n int64) (time.Time, bool) {
	switch {
	case n >= leastNanos:
		return time.Unix(0, n), true
	case n >= leastMicros:
		return time.UnixMicro(n), true
	case n >= leastMillis:
		return time.UnixMilli(n), true
	case n >= leastSeconds:
		return time.Unix(n, 0), true
	}
	return time.Time{}, false
}

// sinceEpochFloat keeps microseconds: a double has no more.
func sinceEpochFloat(f float64) (time.Time, bool) {
	switch {
	case !(f >= leastSeconds) || f >= math.MaxInt64:
		return time.Time{}, false
	case f >= leastMicros:
		return sinceEpoch(int64(f))
	case f >= leastMillis:
		return time.UnixMicro(int64(math.Round(f * 1e3))), true
	}
	return time.UnixMicro(int64(math.Round(f * 1e6))), true
}
