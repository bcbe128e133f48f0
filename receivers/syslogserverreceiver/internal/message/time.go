package message

import (
	"strings"
	"time"
)

// at reads the time that a traditional message begins with: `Nov 24 05:00:00`, with a year behind the day or a fraction, or as RFC 3339
// has it. end is behind it, and behind a zone.
func (c Clock) at(s string) (t time.Time, end int, ok bool) {
	if s == "" {
		return t, 0, false
	}
	if isDigit(s[0]) {
		stop := strings.IndexByte(s, ' ')
		if stop < 0 {
			stop = len(s)
		}
		word := strings.TrimSuffix(s[:stop], ":")
		t, end, ok = c.iso(word)
		return t, end, ok && end == len(word)
	}
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	if len(s) < 15 || s[3] != ' ' {
		return t, 0, false
	}
	month := strings.Index(names, s[:3])
	if month < 0 || month%3 != 0 {
		return t, 0, false
	}
	i := 4
	for i < 6 && s[i] == ' ' {
		i++
	}
	day, i, ok := number(s, i, 2)
	if !ok || i >= len(s) || s[i] != ' ' {
		return t, 0, false
	}
	year := 0
	if y, after, ok := number(s, i+1, 4); ok && y >= 1970 && after < len(s) && s[after] == ' ' {
		year, i = y, after
	}
	clock, end, ok := timeOfDay(s, i+1)
	if !ok {
		return t, 0, false
	}
	local := c.Local
	if zone, after, found := zone(s, end); found {
		local, end = zone, after
	} else if after := abbreviation(s, end); after > 0 {
		end = after
	}
	t, ok = c.complete(year, time.Month(month/3+1), day, clock, local)
	return t, end, ok
}

// complete gives a date its year: the latest in which it is not more than a day ahead of now.
func (c Clock) complete(year int, month time.Month, day int, clock time.Duration, zone *time.Location) (time.Time, bool) {
	if zone == nil {
		zone = time.Local
	}
	first, last := year, year
	if year == 0 {
		last = c.Now.In(zone).Year() + 1
		first = last - 8 // 29 February
	}
	for y := last; y >= first; y-- {
		t := time.Date(y, month, day, int(clock/time.Hour), int(clock/time.Minute%60), int(clock/time.Second%60), int(clock%time.Second), zone)
		if day < 1 || time.Date(y, month, day, 12, 0, 0, 0, time.UTC).Month() != month {
			continue
		}
		if year != 0 || t.Sub(c.Now) <= 24*time.Hour {
			return t, true
		}
	}
	return time.Time{}, false
}

// iso reads a time of RFC 3339; end is behind it. The zone may be missing, or have no colon.
func (c Clock) iso(s string) (t time.Time, end int, ok bool) {
	if len(s) < len("2006-01-02T15:04:05") || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != 't' {
		return t, 0, false
	}
	year, i, a := number(s, 0, 4)
	month, j, b := number(s, 5, 2)
	day, k, d := number(s, 8, 2)
	if !a || !b || !d || i != 4 || j != 7 || k != 10 {
		return t, 0, false
	}
	clock, end, ok := timeOfDay(s, 11)
	if !ok || month < 1 || month > 12 {
		return t, 0, false
	}
	local := c.Local
	if zone, after, found := zone(s, end); found {
		local, end = zone, after
	}
	t, ok = c.complete(year, time.Month(month), day, clock, local)
	return t, end, ok && year > 0
}

// timeOfDay reads hh:mm:ss and a fraction at i. A second of 60 is the next one.
func timeOfDay(s string, i int) (clock time.Duration, end int, ok bool) {
	hour, _, a := number(s, i, 2)
	minute, _, b := number(s, i+3, 2)
	second, end, c := number(s, i+6, 2)
	if !a || !b || !c || end != i+8 || s[i+2] != ':' || s[i+5] != ':' || hour > 23 || minute > 59 || second > 60 {
		return 0, 0, false
	}
	clock = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	if end+1 < len(s) && (s[end] == '.' || s[end] == ',') && isDigit(s[end+1]) {
		unit := time.Second / 10
		for end++; end < len(s) && isDigit(s[end]); end++ {
			clock += time.Duration(s[end]-'0') * unit
			unit /= 10
		}
	}
	return clock, end, true
}

// zone reads Z, UTC, GMT, +01:00 or +0100 at i, behind at most one space.
func zone(s string, i int) (*time.Location, int, bool) {
	at := i
	if at < len(s) && s[at] == ' ' {
		at++
	}
	rest := s[at:]
	for _, name := range [...]string{"Z", "UTC", "GMT"} {
		if strings.HasPrefix(rest, name) && (len(rest) == len(name) || rest[len(name)] == ' ' || rest[len(name)] == ':') {
			return time.UTC, at + len(name), true
		}
	}
	if rest == "" || rest[0] != '+' && rest[0] != '-' {
		return nil, i, false
	}
	hours, n, ok := number(rest, 1, 2)
	if !ok || n != 3 || hours > 15 {
		return nil, i, false
	}
	if n < len(rest) && rest[n] == ':' {
		n++
	}
	minutes, end, ok := number(rest, n, 2)
	if !ok || end != n+2 || minutes > 59 {
		return nil, i, false
	}
	offset := hours*3600 + minutes*60
	if rest[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), at + end, true
}

// abbreviation is the end of a zone's name before a colon, as Cisco's devices write it: ` CET:`. What it means is not known.
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

// number reads at most n digits at i.
func number(s string, i, n int) (value, end int, ok bool) {
	for end = i; end >= 0 && end < len(s) && end < i+n && isDigit(s[end]); end++ {
		value = value*10 + int(s[end]-'0')
	}
	return value, end, end > i
}
