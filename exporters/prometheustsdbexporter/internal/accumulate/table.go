package accumulate

import "github.com/penstockhq/penstock/internal/streamkey"

// stream is a running total. Times are Unix nanoseconds; start 0 is unknown.
type stream[V any] struct {
	start, last int64
	value       V // nobody changes it: a new total is a new value
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

func (t *table[V]) add(key streamkey.Key, old stream[V], known bool, start, now int64, increase V) stream[V] {
	next := stream[V]{start: start, last: now, value: increase}
	if known {
		next.start, next.value = old.start, t.sum(old.value, increase)
	}
	t.undo = append(t.undo, change[V]{key, old, known})
	t.streams[key] = next
	return next
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
