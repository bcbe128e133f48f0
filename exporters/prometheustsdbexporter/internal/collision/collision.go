// Package collision detects series that two OTLP streams have become: two processes without service.instance.id, two scopes with one
// metric, a.b beside a_b. Their samples interleave into one line that jumps between two values.
package collision

const (
	ways = 4 // entries that a series' hash can map to
	// minEntries is the initial size of a table.
	minEntries = 1 << 12
	// freeChange is how long a series must have had its stream before it may change to another one without a collision, in milliseconds. A
	// restarted process is a new stream, and so is one whose resource got another attribute; two that alternate are a collision.
	freeChange = 10 * 60 * 1000
)

// Verdict says whether a sample collides with its series.
type Verdict int

// The verdicts.
const (
	Alone    Verdict = iota // from the stream of the series, or from its successor
	Mixed                   // from another stream, at another time, although by its start that stream ran at the same time
	SameTime                // from another stream, at the same time: a series has one value at a time
)

// entry is a series. Times are Unix milliseconds.
type entry struct {
	series, stream uint64
	last           int64 // newest sample
	changed        int64 // when the stream changed without a start time that explains it; 0: never
}

// Table remembers the stream of each series, of max series at most: 32 bytes each. It grows with the number of series; past max it forgets
// the series that were silent for longest, whose collisions it then misses. Not safe for concurrent use.
type Table struct {
	max     int
	entries []entry // a power of two
	used    int
}

// New returns a table for max series, rounded up to a power of two.
func New(max int) *Table { return &Table{max: max} }

// Check returns the verdict on a sample of stream at time for series, and remembers it. start is when its stream began, 0 if unknown. A
// sample older than the series' newest is no collision and changes nothing, so a batch may be checked again.
func (t *Table) Check(series, stream uint64, start, time int64) Verdict {
	if t.used >= len(t.entries)-len(t.entries)/4 && len(t.entries) < t.max {
		t.grow()
	}
	e := t.entry(series)
	if e.stream == 0 || e.series != series {
		if e.stream == 0 {
			t.used++
		}
		*e = entry{series: series, stream: stream, last: time}
		return Alone
	}
	if e.stream == stream {
		e.last = max(e.last, time)
		return Alone
	}
	switch {
	case time == e.last:
		return SameTime
	case time < e.last:
		return Alone
	case start != 0 && start >= e.last: // a successor
		e.stream, e.last = stream, time
		return Alone
	}
	v := Alone
	if e.changed != 0 && time-e.changed < freeChange {
		v = Mixed
	}
	e.stream, e.last, e.changed = stream, time, time
	return v
}

// Newest is the time of the newest sample of series that was passed to Check; ok is false for an unknown series.
func (t *Table) Newest(series uint64) (at int64, ok bool) {
	if t.used == 0 {
		return 0, false
	}
	if e := t.entry(series); e.stream != 0 && e.series == series {
		return e.last, true
	}
	return 0, false
}

// entry returns the entry of series, or else a new one: a free one, or that of the series which was silent for longest.
func (t *Table) entry(series uint64) *entry {
	first := int(series) & (len(t.entries) - 1) &^ (ways - 1)
	bucket := t.entries[first : first+ways]
	oldest := &bucket[0]
	for i := range bucket {
		e := &bucket[i]
		if e.stream == 0 || e.series == series {
			return e
		}
		if e.last < oldest.last {
			oldest = e
		}
	}
	return oldest
}

func (t *Table) grow() {
	old := t.entries
	t.entries = make([]entry, max(minEntries, 2*len(old)))
	t.used = 0
	for _, e := range old {
		if e.stream == 0 {
			continue
		}
		to := t.entry(e.series)
		if to.stream == 0 {
			t.used++
		}
		*to = e
	}
}
