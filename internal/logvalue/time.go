package logvalue

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Clock completes incomplete times.
type Clock struct {
	// Now is when the line was read, or when a container runtime received it from the application.
	Now time.Time
	// Exact says that Now is the runtime's: then a time without a zone is in the zone that puts it next to Now.
	Exact bool
	// Local is the zone of times without one; nil: that of this process.
	Local *time.Location
}

// In interprets a wall clock's time, which was parsed as UTC, in a zone.
func (c Clock) In(t time.Time) time.Time {
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
	// Like time.Date: the offset at this time, taken as UTC, gives a result that is right unless a change of clocks is near, and the offset there
	// is the right one.
	_, seconds := t.In(local).Zone()
	_, seconds = t.Add(-time.Duration(seconds) * time.Second).In(local).Zone()
	return t.Add(-time.Duration(seconds) * time.Second).In(local)
}

// Latest completes a time without a year: it is the latest that is not more than a day after Now.
func (c Clock) Latest(month time.Month, day, hour, minute, second, nanos int) (time.Time, bool) {
	for year := c.Now.Year() + 1; year > c.Now.Year()-8; year-- { // eight: 29 February
		if day < 1 || day > daysIn(year, int(month)) {
			continue
		}
		if t := c.In(time.Date(year, month, day, hour, minute, second, nanos, time.UTC)); t.Sub(c.Now) <= 24*time.Hour {
			return t, true
		}
	}
	return time.Time{}, false
}

// Today completes a time of day.
func (c Clock) Today(hour, minute, second, nanos int) time.Time {
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
		t := c.In(time.Date(now.Year(), now.Month(), day, hour, minute, second, nanos, time.UTC))
		if best.IsZero() || t.Sub(c.Now).Abs() < best.Sub(c.Now).Abs() {
			best = t
		}
	}
	return best
}

// Digits reads exactly n digits at i.
func Digits(s string, i, n int) (int, bool) {
	if i < 0 || len(s)-i < n {
		return 0, false
	}
	v := 0
	for _, c := range []byte(s[i : i+n]) {
		digit := c - '0'
		if digit > 9 {
			return 0, false
		}
		v = v*10 + int(digit)
	}
	return v, true
}

// ClockAt reads hh:mm:ss and a fraction at i; end is the position after it. A second of 60 is a leap second, and becomes the next one.
func ClockAt(s string, i int) (hour, minute, second, nanos, end int, ok bool) {
	var a, b, c bool
	hour, a = Digits(s, i, 2)
	minute, b = Digits(s, i+3, 2)
	second, c = Digits(s, i+6, 2)
	if !a || !b || !c || s[i+2] != ':' || s[i+5] != ':' || hour > 23 || minute > 59 || second > 60 {
		return 0, 0, 0, 0, 0, false
	}
	end = i + 8
	if end+1 < len(s) && (s[end] == '.' || s[end] == ',') && IsDigit(s[end+1]) {
		scale := 100_000_000
		for end++; end < len(s) && IsDigit(s[end]); end++ {
			nanos += int(s[end]-'0') * scale
			scale /= 10
		}
	}
	return hour, minute, second, nanos, end, true
}

// IsDigit says whether c is a digit of ASCII.
func IsDigit(c byte) bool { return c >= '0' && c <= '9' }

// ZoneAt reads Z, UTC, GMT, +01:00, +0100 or +01 at i, after at most one space.
func ZoneAt(s string, i int) (offset time.Duration, end int, ok bool) {
	at := i
	if at < len(s) && s[at] == ' ' {
		at++
	}
	rest := s[at:]
	bounded := func(n int) bool { return len(rest) == n || !IsAlnum(rest[n]) }
	switch {
	case rest != "" && rest[0]|0x20 == 'z' && bounded(1):
		return 0, at + 1, true
	case (strings.HasPrefix(rest, "UTC") || strings.HasPrefix(rest, "GMT")) && bounded(3):
		return 0, at + 3, true
	case rest == "" || rest[0] != '+' && rest[0] != '-':
		return 0, i, false
	}
	hours, ok := Digits(rest, 1, 2)
	if !ok || hours > 15 {
		return 0, i, false
	}
	n := 3
	minutes, ok := Digits(rest, 4, 2)
	if ok && rest[3] == ':' {
		n = 6
	} else if minutes, ok = Digits(rest, 3, 2); ok {
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

// IsAlnum says whether c is a letter or digit of ASCII.
func IsAlnum(c byte) bool {
	return IsDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// DateTimeAt reads a date with a four-digit year, and a time, at i: RFC 3339 and its variants: a space for T, / for -, a comma before the fraction,
// no zone.
func (c Clock) DateTimeAt(s string, i int) (t time.Time, end int, ok bool) {
	year, a := Digits(s, i, 4)
	month, b := Digits(s, i+5, 2)
	day, d := Digits(s, i+8, 2)
	if !a || !b || !d || len(s) < i+19 || s[i+4] != s[i+7] || s[i+4] != '-' && s[i+4] != '/' && s[i+4] != '.' ||
		s[i+10] != 'T' && s[i+10] != ' ' && s[i+10] != 't' && s[i+10] != '_' && s[i+10] != ':' {
		return t, 0, false
	}
	hour, minute, second, nanos, end, ok := ClockAt(s, i+11)
	if !ok || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return t, 0, false
	}
	return c.zoned(s, end, date(year, month, day, hour, minute, second, nanos))
}

// zoned completes a wall clock's time by the zone at end, or by the clock's. A time outside OTLP's range counts as missing: programs write the year
// 1 if they have no time.
func (c Clock) zoned(s string, end int, t time.Time) (time.Time, int, bool) {
	if offset, after, ok := ZoneAt(s, end); ok {
		t, end = t.Add(-offset), after
	} else {
		t = c.In(t)
	}
	if !Fits(t) {
		return time.Time{}, 0, false
	}
	return t, end, true
}

// Fits says whether OTLP's nanoseconds since 1970, as Go's time gives them, can hold t: from 1970 to 2262.
func Fits(t time.Time) bool { return t.Unix() >= 0 && t.Unix() < math.MaxInt64/int64(time.Second) }

// daysIn returns the number of days of a month from 1 to 12.
func daysIn(year, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return int("\x1f\x1c\x1f\x1e\x1f\x1e\x1f\x1f\x1e\x1f\x1e\x1f"[month-1])
}

// date is time.Date in UTC for numbers that are in their ranges and years from 0 on, and faster: it counts the days of years that begin with
// March, where a leap day is the last (https://howardhinnant.github.io/date_algorithms.html#days_from_civil).
func date(year, month, day, hour, minute, second, nanos int) time.Time {
	const cycle, since1970 = 146097, 719468 // days of 400 years, and from 1 March of year 0 to 1970
	if month <= 2 {
		year--
		month += 12
	}
	year += 400
	days := 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - cycle - since1970
	return time.Unix(int64(days)*86400+int64(3600*hour+60*minute+second), int64(nanos)).UTC()
}

// CLFAt reads a time in the Common Log Format at i: 10/Oct/2026:13:55:36 -0700.
func (c Clock) CLFAt(s string, i int) (t time.Time, end int, ok bool) {
	day, a := Digits(s, i, 2)
	year, b := Digits(s, i+7, 4)
	if !a || !b || len(s) < i+20 || s[i+2] != s[i+6] || s[i+2] != '/' && s[i+2] != '-' || s[i+11] != ':' && s[i+11] != ' ' {
		return t, 0, false
	}
	month, ok := MonthAt(s, i+3)
	if !ok || day < 1 || day > daysIn(year, int(month)) {
		return t, 0, false
	}
	hour, minute, second, nanos, end, ok := ClockAt(s, i+12)
	if !ok {
		return t, 0, false
	}
	return c.zoned(s, end, date(year, int(month), day, hour, minute, second, nanos))
}

// MonthAt reads an abbreviated English name of a month at i.
func MonthAt(s string, i int) (time.Month, bool) {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	if i < 0 || len(s) < i+3 {
		return 0, false
	}
	at := strings.Index(names, s[i:i+3])
	return time.Month(at/3 + 1), at >= 0 && at%3 == 0
}

// Time parses a whole text as a time, including numbers since 1970.
func (c Clock) Time(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if t, end, ok := c.DateTimeAt(s, 0); ok && end == len(s) {
		return t, true
	}
	if t, end, ok := c.CLFAt(s, 0); ok && end == len(s) {
		return t, true
	}
	if len(s) < 9 || !IsDigit(s[0]) {
		return time.Time{}, false
	}
	if t, ok := Number(s); ok && t.Unix() >= LeastSeconds {
		return t, true
	}
	return time.Time{}, false
}

// Date parses a whole text as a date with a time of day: the forms of DateTimeAt, also without seconds.
func (c Clock) Date(s string) (time.Time, bool) {
	const minutes = len("2006-01-02T15:04")
	s = strings.TrimSpace(s)
	if len(s) >= minutes && len(s) < 64 && s[minutes-3] == ':' && (len(s) == minutes || s[minutes] != ':') {
		s = s[:minutes] + ":00" + s[minutes:]
	}
	t, end, ok := c.DateTimeAt(s, 0)
	return t, ok && end == len(s)
}

// Number parses a decimal number since 1970 of seconds, milliseconds, microseconds or nanoseconds, which its size distinguishes, exactly to the
// nanosecond.
func Number(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= LeastSeconds {
		return Since1970(n)
	}
	f, err := strconv.ParseFloat(s, 64)
	if len(s) > 40 || err != nil || math.IsNaN(f) || f < 0 || f > math.MaxInt64 || f != 0 && f < 1e-9 {
		return time.Time{}, false
	}
	exact, ok := new(big.Rat).SetString(s)
	if !ok {
		return time.Time{}, false
	}
	unit := int64(1)
	switch {
	case f < LeastMillis:
		unit = 1e9
	case f < leastMicros:
		unit = 1e6
	case f < leastNanos:
		unit = 1e3
	}
	exact.Mul(exact, new(big.Rat).SetInt64(unit))
	nanos := new(big.Int).Quo(exact.Num(), exact.Denom())
	return time.Unix(0, nanos.Int64()), nanos.IsInt64()
}

// LeastSeconds and LeastMillis separate numbers of seconds, milliseconds, microseconds and nanoseconds since 1970: each range has times from 1973
// to 5138, of which OTLP can represent those up to 2262.
const (
	LeastSeconds = 1e8
	LeastMillis  = 1e11
	leastMicros  = 1e14
	leastNanos   = 1e17
)

// Since1970 interprets a number of seconds, milliseconds, microseconds or nanoseconds, from 1973 to 2262.
func Since1970(n int64) (t time.Time, ok bool) {
	switch {
	case n >= leastNanos:
		t = time.Unix(0, n)
	case n >= leastMicros:
		t = time.UnixMicro(n)
	case n >= LeastMillis:
		t = time.UnixMilli(n)
	case n >= LeastSeconds:
		t = time.Unix(n, 0)
	}
	return t, n >= LeastSeconds && Fits(t)
}

// Since1970Float keeps microseconds, the precision of a double.
func Since1970Float(f float64) (t time.Time, ok bool) {
	switch {
	case !(f >= LeastSeconds) || f >= math.MaxInt64:
		return t, false
	case f >= leastMicros:
		return Since1970(int64(f))
	case f >= LeastMillis:
		t = time.UnixMicro(int64(math.Round(f * 1e3)))
	default:
		t = time.UnixMicro(int64(math.Round(f * 1e6)))
	}
	return t, Fits(t)
}
