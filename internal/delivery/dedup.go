package delivery

import (
	"slices"
	"time"
)

// RecordID identifies a record: see journal.ID. Records with the zero value are never treated as duplicates.
type RecordID [16]byte

// SeenRecord is a record that was delivered.
type SeenRecord struct {
	ID     RecordID
	Offset int64
	Time   time.Time // steady
}

// seen recognizes records that a client sends again after a lost answer, or a queue on disk after a crash. Its answers depend only on the
// records and their order, so that a second reading gives the same: the window is measured in the journal's time without its jumps, and
// beyond max the oldest ids are evicted first.
//
// It takes about 100 bytes a record.
type seen struct {
	window time.Duration
	max    int
	known  map[RecordID]struct{}
	queue  []SeenRecord // in order of offset
	clock  steady
	// evicted are the records that were evicted since takeEvicted.
	evicted []SeenRecord
}

func newSeen(window time.Duration, max int, restored []SeenRecord, clock steady) *seen {
	s := &seen{window: window, max: max, known: make(map[RecordID]struct{}, len(restored)), queue: slices.Clone(restored), clock: clock}
	for _, r := range restored {
		s.known[r.ID] = struct{}{}
	}
	return s
}

// repeats reports whether r, with its time in the journal, repeats a record of the window, and adds r if not.
func (s *seen) repeats(r SeenRecord) bool {
	if s.window <= 0 {
		return false
	}
	r.Time = s.clock.at(r.Time) // Also of a record without an id: see steady.notBefore.
	if r.ID == (RecordID{}) {
		return false
	}
	drop := 0
	for drop < len(s.queue) && (len(s.queue)-drop >= s.max || r.Time.Sub(s.queue[drop].Time) > s.window) {
		delete(s.known, s.queue[drop].ID)
		drop++
	}
	s.evicted = append(s.evicted, s.queue[:drop]...)
	s.queue = s.queue[drop:]
	if _, ok := s.known[r.ID]; ok {
		return true
	}
	s.known[r.ID] = struct{}{}
	s.queue = append(s.queue, r)
	return false
}

// takeEvicted returns the records that were evicted since the last call.
func (s *seen) takeEvicted() []SeenRecord {
	evicted := s.evicted
	s.evicted = nil
	return evicted
}
