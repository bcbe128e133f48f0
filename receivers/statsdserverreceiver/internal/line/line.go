// Package line reads the lines of StatsD and DogStatsD.
package line

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// Kind is what a line measures.
type Kind byte

// The kinds, by the types in lines.
const (
	Counter   Kind = 'c' // c
	Gauge     Kind = 'g' // g
	Timer     Kind = 't' // ms
	Histogram Kind = 'h' // h and d, which differ in where Datadog computes percentiles
	Set       Kind = 's' // s
)

// The reasons for which a line is refused.
const (
	NoName           = "no_name"
	NoValue          = "no_value"
	NoType           = "no_type"
	UnknownType      = "unknown_type"
	BadValue         = "bad_value"
	BadRate          = "bad_rate"
	BadTime          = "bad_timestamp"
	RelativeWithTime = "relative_with_timestamp"
	TooManyTags      = "too_many_tags"
	Event            = "event"
	ServiceCheck     = "service_check"
)

// maxTags is how many tags a line may have: a gateway refuses points with more than 4096 attributes.
const maxTags = 1024

// latest is the last second whose nanoseconds fit 64 bits.
const latest = math.MaxInt64 / 1_000_000_000

// Line is a parsed line. Its slices are parts of the text, or are reused by the next Parse.
type Line struct {
	Name []byte
	Kind Kind
	// Values are the measured values, none for a Set.
	Values []float64
	// Relative reports for each value of a Gauge whether it has a sign.
	Relative []bool
	// Member is the value of a Set.
	Member []byte
	// Rate is the sample rate, 1 if the line has none.
	Rate float64
	// Tags are as they were written: name:value or name.
	Tags [][]byte
	// Container is the id of the sender's container, empty if the line has none.
	Container []byte
	// Time is the timestamp in seconds since 1970, 0 if the line has none.
	Time int64
	// Ignored counts fields that could not be parsed, for example of extensions of the protocol.
	Ignored int
}

// Parse parses text, a line without its newline. It returns the reason if it refuses the line, else empty.
func (l *Line) Parse(text []byte) string {
	*l = Line{Values: l.Values[:0], Relative: l.Relative[:0], Tags: l.Tags[:0], Rate: 1}
	switch {
	case bytes.HasPrefix(text, []byte("_e{")):
		return Event
	case bytes.HasPrefix(text, []byte("_sc|")):
		return ServiceCheck
	}
	head, fields, typed := bytes.Cut(text, []byte{'|'})
	name, values, valued := bytes.Cut(head, []byte{':'})
	switch {
	case len(name) == 0:
		return NoName
	case !valued || len(values) == 0:
		return NoValue
	case !typed:
		return NoType
	}
	l.Name = name
	kind, fields, _ := bytes.Cut(fields, []byte{'|'})
	if l.Kind = kindOf(kind); l.Kind == 0 {
		if len(kind) == 0 {
			return NoType
		}
		return UnknownType
	}
	if reason := l.fields(fields); reason != "" {
		return reason
	}
	return l.values(values)
}

func kindOf(name []byte) Kind {
	switch string(name) {
	case "c":
		return Counter
	case "g":
		return Gauge
	case "ms":
		return Timer
	case "h", "d":
		return Histogram
	case "s":
		return Set
	}
	return 0
}

// fields parses the part after the type: @rate, #tags, c:container, Ttimestamp, in any order.
func (l *Line) fields(rest []byte) string {
	for len(rest) > 0 {
		var field []byte
		field, rest, _ = bytes.Cut(rest, []byte{'|'})
		switch {
		case len(field) == 0:
		case field[0] == '@':
			rate, ok := number(field[1:])
			if !ok || rate <= 0 || rate > 1 {
				return BadRate
			}
			l.Rate = rate
		case field[0] == '#':
			if !l.tags(field[1:]) {
				return TooManyTags
			}
		case field[0] == 'T':
			seconds, err := strconv.ParseInt(string(field[1:]), 10, 64)
			if err != nil || seconds <= 0 || seconds > latest {
				return BadTime
			}
			l.Time = seconds
		case bytes.HasPrefix(field, []byte("c:")):
			l.container(field[2:])
		default:
			l.Ignored++
		}
	}
	return ""
}

func (l *Line) tags(list []byte) bool {
	for len(list) > 0 {
		var tag []byte
		if tag, list, _ = bytes.Cut(list, []byte{','}); len(tag) == 0 {
			continue
		}
		if len(l.Tags) == maxTags {
			return false
		}
		l.Tags = append(l.Tags, tag)
	}
	return true
}

// container parses an id, with or without the prefix ci-. in- precedes the inode of a control group, which is not an id.
func (l *Line) container(id []byte) {
	if bytes.HasPrefix(id, []byte("in-")) {
		l.Ignored++
		return
	}
	l.Container = bytes.TrimPrefix(id, []byte("ci-"))
}

func (l *Line) values(text []byte) string {
	if l.Kind == Set {
		l.Member = text
		return ""
	}
	for more := true; more; {
		var one []byte
		one, text, more = bytes.Cut(text, []byte{':'})
		value, ok := number(one)
		if !ok || math.IsInf(value/l.Rate, 0) {
			return BadValue
		}
		relative := one[0] == '+' || one[0] == '-'
		if l.Kind == Gauge && relative && l.Time != 0 {
			return RelativeWithTime
		}
		l.Values = append(l.Values, value)
		l.Relative = append(l.Relative, relative)
	}
	return ""
}

// number reads a finite decimal number.
func number(text []byte) (float64, bool) {
	if len(text) == 0 {
		return 0, false
	}
	for _, c := range text {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false // ParseFloat accepts nan, inf, hexadecimal and underscores
		}
	}
	value, err := strconv.ParseFloat(unsafe.String(&text[0], len(text)), 64) // which does not keep the string
	return value, err == nil
}
