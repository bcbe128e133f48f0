package quota

import (
	"sync"
	"time"
)

// StreamCount counts the different streams of each tenant that were seen within two windows. It remembers at most max streams, of all tenants
// together, at about 20 bytes each; further streams are not counted. Safe for concurrent use.
type StreamCount struct {
	mu      sync.Mutex
	max     int
	window  time.Duration
	begun   time.Time // of the window; guarded by mu
	count   int       // guarded by mu
	tenants map[string]*seen
}

// seen are the streams of a tenant, each in one of the two windows.
type seen struct{ now, before map[uint64]struct{} }

// NewStreamCount returns a count of at most max streams.
func NewStreamCount(max int, window time.Duration) *StreamCount {
	return &StreamCount{max: max, window: window, tenants: map[string]*seen{}}
}

// Len is how many streams are remembered.
func (s *StreamCount) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Fits says whether a tenant may have these streams in addition to its present ones. It remembers none of them. wait is when old ones expire.
func (s *StreamCount) Fits(now time.Time, tenant string, limit int64, streams []uint64) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnLocked(now)
	t := s.tenants[tenant]
	if t == nil {
		t = &seen{}
	}
	added := map[uint64]struct{}{}
	for _, h := range streams {
		if !t.has(h) {
			added[h] = struct{}{}
		}
	}
	have := len(t.now) + len(t.before)
	if len(added) == 0 || int64(have+len(added)) <= limit {
		return 0, true
	}
	return s.begun.Add(s.window).Sub(now), false
}

// Add remembers streams of a tenant.
func (s *StreamCount) Add(now time.Time, tenant string, streams []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnLocked(now)
	t := s.tenants[tenant]
	if t == nil {
		t = &seen{now: map[uint64]struct{}{}}
		s.tenants[tenant] = t
	}
	for _, h := range streams {
		if _, ok := t.now[h]; ok {
			continue
		}
		if _, ok := t.before[h]; ok {
			delete(t.before, h)
		} else if s.count >= s.max {
			continue
		} else {
			s.count++
		}
		t.now[h] = struct{}{}
	}
}

func (t *seen) has(h uint64) bool {
	_, now := t.now[h]
	_, before := t.before[h]
	return now || before
}

// turnLocked begins a new window when the old one has ended, and forgets streams that were not seen in it.
func (s *StreamCount) turnLocked(now time.Time) {
	if s.begun.IsZero() {
		s.begun = now
	}
	for range 2 {
		if now.Sub(s.begun) < s.window {
			return
		}
		s.begun = s.begun.Add(s.window)
		for name, t := range s.tenants {
			s.count -= len(t.before)
			t.before, t.now = t.now, map[uint64]struct{}{}
			if len(t.before) == 0 {
				delete(s.tenants, name)
			}
		}
	}
	s.begun = now // both windows have ended
}
