package accumulate

import (
	"slices"

	"github.com/penstockhq/penstock/internal/streamkey"
)

const (
	// remembered is how many of a stream's last points are recognized when they are sent twice, in whichever entries. The last two entries
	// with more points are remembered completely.
	remembered = 8
	// maxMarks bounds the marks past the first eight points of all streams, 8 bytes each.
	maxMarks = 1 << 20
)

// series is a running total. Times are Unix nanoseconds; start 0 is unknown.
type series[V any] struct {
	key     streamkey.Key
	start   int64
	last    int64 // of the newest sample
	seen    int64 // of the newest point
	value   V     // immutable: a new total is a new value
	waiting *held // template of the sample to be sent; nil if there is none
	touched uint32
}

// stream is a source of points; several may add to one series.
type stream[V any] struct {
	series  *series[V]
	seen    int64              // of the newest point
	recent  [remembered]uint64 // marks of the last points, the newest first; 0: none
	older   []uint64           // older ones, the newest last
	entry   uint32             // of the newest point
	n       int32              // points of that entry
	before  int32              // points of the entry before it
	touched uint32
	was     streamkey.Key // in a state of version 1 or 2, while it is new
}

// repeats reports whether the stream had a point with that mark in another entry: points of one entry never repeat each other.
func (s *stream[V]) repeats(entry uint32, mark uint64) bool {
	own := 0
	if s.entry == entry {
		own = int(s.n)
	}
	if own < remembered && slices.Contains(s.recent[own:], mark) {
		return true
	}
	return slices.Contains(s.older[:len(s.older)-min(max(own-remembered, 0), len(s.older))], mark)
}

// note remembers a point, and returns by how many marks s has grown past the first eight; full: it may not grow.
func (s *stream[V]) note(entry uint32, mark uint64, full bool) (grown int) {
	if s.entry != entry {
		s.entry, s.before, s.n = entry, s.n, 0
	}
	s.n++
	oldest, had := s.recent[remembered-1], len(s.older)
	copy(s.recent[1:], s.recent[:])
	s.recent[0] = mark
	keep := int(s.before) + int(s.n)
	switch {
	case keep <= remembered:
		s.older = nil
		return -had
	case oldest != 0:
		s.older = append(s.older, oldest)
	}
	if full {
		keep = had
	}
	s.older = s.older[max(len(s.older)-keep, 0):]
	return len(s.older) - had
}

// family holds everything of one type, and the changes of the last Apply.
type family[V any] struct {
	arithmetic[V]
	series  map[streamkey.Key]*series[V]
	streams map[streamkey.Key]*stream[V]
	former  map[streamkey.Key]formerStream[V] // of a state of version 1 or 2, until they have a series
	waiting []*series[V]                      // series with a waiting increase, and possibly others
	undo    undo[V]
}

// undo is the former content of series and streams.
type undo[V any] struct {
	newSeries, newStreams []streamkey.Key
	series                []saved[series[V]]
	streams               []saved[stream[V]]
}

type saved[T any] struct {
	of  *T
	was T
}

func newFamily[V any](a arithmetic[V]) family[V] {
	return family[V]{arithmetic: a, series: make(map[streamkey.Key]*series[V]), streams: make(map[streamkey.Key]*stream[V]), former: make(map[streamkey.Key]formerStream[V])}
}

func (f *family[V]) len() int { return len(f.streams) + len(f.former) }

// save keeps the state of s before the present Apply.
func (f *family[V]) save(s *stream[V], batch uint32) {
	if s.touched != batch {
		f.undo.streams = append(f.undo.streams, saved[stream[V]]{s, *s})
		s.touched = batch
	}
	if t := s.series; t.touched != batch {
		f.undo.series = append(f.undo.series, saved[series[V]]{t, *t})
		t.touched = batch
	}
}

func (f *family[V]) rollback() {
	for _, s := range f.undo.series {
		*s.of = s.was
	}
	for _, s := range f.undo.streams {
		*s.of = s.was
	}
	for _, key := range f.undo.newSeries {
		if s := f.series[key]; s != nil {
			s.waiting = nil // it may already be in f.waiting
			delete(f.series, key)
		}
	}
	for _, key := range f.undo.newStreams {
		delete(f.streams, key)
	}
	f.undo = undo[V]{}
}

// forget removes series whose last point is before that time, and returns how many marks past the first eight were removed.
func (f *family[V]) forget(before int64) (marks int) {
	for key, s := range f.streams {
		if s.seen < before {
			marks += len(s.older)
			delete(f.streams, key)
		}
	}
	for key, s := range f.series {
		if s.seen < before && s.waiting == nil {
			delete(f.series, key)
		}
	}
	for key, s := range f.former {
		if s.last < before {
			delete(f.former, key)
		}
	}
	return marks
}
