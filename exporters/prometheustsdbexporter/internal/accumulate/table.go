package accumulate

import (
	"slices"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// remembered is how many of a stream's last points are known again when they are sent twice.
const remembered = 8

// stream is a running total. Times are Unix nanoseconds; start 0 is unknown.
type stream[V any] struct {
	start, last int64             // of the total
	recent      [remembered]int64 // times of the last points that came, the newest arrival first; 0: none
	value       V                 // nobody changes it: a new total is a new value
}

// counted says whether a point of time now was among the last ones.
func (s stream[V]) counted(now int64) bool { return slices.Contains(s.recent[:], now) }

// with returns s after a point of time now, with a total at at.
func (s stream[V]) with(now, at int64, value V) stream[V] {
	copy(s.recent[1:], s.recent[:])
	s.recent[0], s.last, s.value = now, at, value
	return s
}

// change is what a stream was before.
type change[V any] struct {
	key   streamkey.Key
	old   stream[V]
	known bool
}

// table holds the streams whose values are of one type, and what the last Apply changed.
type table[V any] struct {
	sum     func(a, b V) V
	streams map[streamkey.Key]stream[V]
	undo    []change[V]
}

func newTable[V any](sum func(a, b V) V) table[V] {
	return table[V]{sum: sum, streams: make(map[streamkey.Key]stream[V])}
}

func (t *table[V]) put(key streamkey.Key, old stream[V], known bool, next stream[V]) {
	t.undo = append(t.undo, change[V]{key, old, known})
	t.streams[key] = next
}

func (t *table[V]) rollback() {
	for i := len(t.undo) - 1; i >= 0; i-- {
		if c := t.undo[i]; c.known {
			t.streams[c.key] = c.old
		} else {
			delete(t.streams, c.key)
		}
	}
	t.undo = nil
}

// forget drops the streams whose last point is older than before.
func (t *table[V]) forget(before int64) {
	for key, s := range t.streams {
		if s.last < before {
			delete(t.streams, key)
		}
	}
}
