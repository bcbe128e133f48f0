// Package aggregate aggregates lines of StatsD over an interval, by name, kind, tags and sender, in bounded memory.
package aggregate

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/expo"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/line"
)

// The reasons for which a line is refused here.
const (
	Full     = "memory_full"
	Overflow = "out_of_range"
)

const (
	// streamCost is the memory of a stream without its texts, memberCost that of a member of a set.
	streamCost, memberCost = 512, 48
	// textCost is how many times the bytes of a name and of tags are stored.
	textCost = 3
	// idleIntervals is how long a stream without lines is kept, so that it need not be created again.
	idleIntervals = 6
)

// Stream identifies lines that are aggregated together. It is immutable.
type Stream struct {
	Name      string
	Kind      line.Kind
	Tags      []string // sorted, each once
	Container string
	Time      int64 // seconds since 1970; 0: the time of the interval
}

// Point is a stream's data of one interval. One of the fields is used, depending on the stream's kind.
type Point struct {
	Stream    *Stream
	Number    float64 // Counter: the sum; Gauge: the value
	Histogram *expo.Histogram
	Carry     float64             // the remainder of rounding of earlier intervals, for Histogram.Counts
	Members   map[uint64]struct{} // Set: hashes of its members
	// Monotonic of a Counter: no negative value was ever sent for its name.
	Monotonic bool
	// Since is when the first of the point's intervals began, if it was restored; else zero.
	Since time.Time

	entry *entry
}

type entry struct {
	stream    Stream
	cost      int
	touched   uint64 // the interval of its last line
	dirty     bool   // there is something to collect
	number    float64
	histogram *expo.Histogram
	carry     float64
	members   map[uint64]struct{}
	since     time.Time // of the restored point
}

// Table is the set of streams. Its memory is at most the limit passed to New, by the formula in the README, plus one datagram. It is not
// safe for concurrent use.
type Table struct {
	limit, buckets int
	used           int
	interval       uint64
	swept          [2]uint64 // the interval of the last search for memory, and of the last one that freed everything it could
	streams        map[string]*entry
	negative       map[string]struct{} // names of counters with negative values
	key            []byte
	forgotten      int
}

// New returns an empty table of at most limit bytes, whose histograms have at most buckets for each sign.
func New(limit, buckets int) *Table {
	return &Table{limit: limit, buckets: buckets, interval: 1, streams: map[string]*entry{}, negative: map[string]struct{}{}}
}

// Used returns the bytes in use.
func (t *Table) Used() int { return t.used }

// Streams returns the number of streams.
func (t *Table) Streams() int { return len(t.streams) }

// Forgotten returns how many streams were discarded for memory together with data that later lines need: the value of a gauge, or the
// remainder of a count.
func (t *Table) Forgotten() int { return t.forgotten }

// Add adds a line. It returns the reason if it refuses the line, else empty; of a refused line only the values before the one out of range
// count.
func (t *Table) Add(l *line.Line) string {
	e := t.find(l)
	if e == nil {
		return Full
	}
	e.touched = t.interval
	switch l.Kind {
	case line.Counter:
		return t.count(e, l)
	case line.Gauge:
		return e.gauge(l)
	case line.Set:
		return t.member(e, l.Member)
	}
	if e.histogram == nil {
		e.histogram = expo.New(t.buckets)
	}
	for _, value := range l.Values {
		if !e.histogram.Add(value, 1/l.Rate) {
			return Overflow
		}
		e.dirty = true
	}
	return ""
}

func (t *Table) count(e *entry, l *line.Line) string {
	sum := e.number
	for _, value := range l.Values {
		if sum += value / l.Rate; value < 0 {
			if _, known := t.negative[e.stream.Name]; !known && t.hasRoom(streamCost+len(e.stream.Name)) {
				t.negative[e.stream.Name] = struct{}{}
				t.used += streamCost + len(e.stream.Name)
			} else if !known {
				return Full
			}
		}
	}
	if math.IsInf(sum, 0) {
		return Overflow
	}
	e.number, e.dirty = sum, true
	return ""
}

func (e *entry) gauge(l *line.Line) string {
	value := e.number
	for i, v := range l.Values {
		if l.Relative[i] {
			v += value
		}
		value = v
	}
	if math.IsInf(value, 0) {
		return Overflow
	}
	e.number, e.dirty = value, true
	return ""
}

func (t *Table) member(e *entry, member []byte) string {
	hash := xxhash.Sum64(member)
	if _, known := e.members[hash]; known {
		return ""
	}
	if !t.hasRoom(memberCost) {
		return Full
	}
	if e.members == nil {
		e.members = map[uint64]struct{}{}
	}
	e.members[hash] = struct{}{}
	e.dirty = true
	e.cost += memberCost
	t.used += memberCost
	return ""
}

// find returns the stream of a line, and creates it if necessary; nil if there is no memory for it.
func (t *Table) find(l *line.Line) *entry {
	slices.SortFunc(l.Tags, bytes.Compare)
	l.Tags = slices.CompactFunc(l.Tags, bytes.Equal)
	t.key = append(t.key[:0], byte(l.Kind))
	t.key = binary.AppendVarint(t.key, l.Time)
	for _, text := range [...][]byte{l.Name, l.Container} {
		t.key = append(binary.AppendUvarint(t.key, uint64(len(text))), text...)
	}
	for _, tag := range l.Tags {
		t.key = append(binary.AppendUvarint(t.key, uint64(len(tag))), tag...)
	}
	if e := t.streams[string(t.key)]; e != nil {
		return e
	}
	cost := streamCost + textCost*len(t.key) + 32*len(l.Tags)
	if l.Kind != line.Counter && l.Kind != line.Gauge && l.Kind != line.Set {
		cost += 16 * t.buckets
	}
	if !t.hasRoom(cost) {
		return nil
	}
	e := &entry{cost: cost, stream: Stream{Name: string(l.Name), Kind: l.Kind, Container: string(l.Container), Time: l.Time}}
	for _, tag := range l.Tags {
		e.stream.Tags = append(e.stream.Tags, string(tag))
	}
	t.insert(string(t.key), e)
	return e
}

func (t *Table) insert(key string, e *entry) {
	t.streams[key] = e
	t.used += e.cost
}

// hasRoom reports whether cost more bytes may be used. Once in each interval it frees streams without lines since the last interval: those
// with data that later lines need only if the others are not enough.
func (t *Table) hasRoom(cost int) bool {
	if t.used+cost <= t.limit {
		return true
	}
	for level, all := range [...]bool{false, true} {
		if t.swept[level] == t.interval {
			continue
		}
		t.swept[level] = t.interval
		if t.sweep(1, all); t.used+cost <= t.limit {
			return true
		}
	}
	return false
}

// sweep removes streams without lines for more than idle intervals: all of them, or only those without data for later lines.
func (t *Table) sweep(idle uint64, all bool) {
	for key, e := range t.streams {
		if e.dirty || t.interval-e.touched <= idle {
			continue
		}
		// The value of a gauge, and the remainder of rounding, are needed later.
		needed := e.stream.Kind == line.Gauge || e.carry != 0
		if needed && !all {
			continue
		}
		if needed {
			t.forgotten++
		}
		t.used -= e.cost
		delete(t.streams, key)
	}
}

// Collect ends the interval and returns its points. They belong to the caller, which returns points that the pipeline did not accept with
// Restore.
func (t *Table) Collect() []Point {
	var points []Point
	for key, e := range t.streams {
		if e.dirty {
			_, negative := t.negative[e.stream.Name]
			points = append(points, Point{Stream: &e.stream, Number: e.number, Histogram: e.histogram, Carry: e.carry, Members: e.members,
				Monotonic: !negative, Since: e.since, entry: e})
			e.dirty, e.histogram, e.members, e.carry, e.since = false, nil, nil, 0, time.Time{}
			if e.stream.Kind == line.Counter {
				e.number = 0
			}
			if freed := memberCost * len(points[len(points)-1].Members); freed > 0 {
				e.cost -= freed
				t.used -= freed
			}
		}
		if e.stream.Time != 0 { // the next line has another timestamp
			t.used -= e.cost
			delete(t.streams, key)
		}
	}
	t.interval++
	t.sweep(idleIntervals, false)
	return points
}

// Carried keeps the remainder of rounding a histogram's weights for its next interval.
func (t *Table) Carried(p Point, carry float64) { p.entry.carry += carry }

// Restore returns a point whose interval began at since to the table: it becomes part of the current interval. Its memory may exceed the
// limit until it is collected.
func (t *Table) Restore(p Point, since time.Time) {
	e := p.entry
	key := e.key()
	if now := t.streams[key]; now == nil {
		t.insert(key, e)
	} else {
		e = now
	}
	if e.since = since; !p.Since.IsZero() {
		e.since = p.Since
	}
	e.touched = t.interval
	switch e.stream.Kind {
	case line.Counter:
		e.number += p.Number
	case line.Gauge:
		if !e.dirty {
			e.number = p.Number
		}
	case line.Set:
		if e.members == nil {
			e.members = map[uint64]struct{}{}
		}
		before := len(e.members)
		for member := range p.Members {
			e.members[member] = struct{}{}
		}
		e.cost += memberCost * (len(e.members) - before)
		t.used += memberCost * (len(e.members) - before)
	default:
		if e.histogram != nil {
			p.Histogram.Merge(e.histogram)
		}
		e.histogram = p.Histogram
		e.carry += p.Carry
	}
	e.dirty = true
}

// key returns the key of the line's stream.
func (e *entry) key() string {
	s := &e.stream
	key := binary.AppendVarint([]byte{byte(s.Kind)}, s.Time)
	for _, text := range append([]string{s.Name, s.Container}, s.Tags...) {
		key = append(binary.AppendUvarint(key, uint64(len(text))), text...)
	}
	return string(key)
}
