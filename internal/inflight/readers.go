package inflight

import (
	"slices"
	"sync"
	"time"
)

// Readers are the requests whose bytes are still arriving. It is unknown how much a client that stops in the middle will still send, so when the
// readers' bytes are used up, the requests that have been reading longest are ended. Safe for concurrent use.
type Readers struct {
	budget   *Budget
	patience time.Duration
	mu       sync.Mutex
	all      map[*Reader]struct{} // guarded by mu
}

// Reader is one of them.
type Reader struct {
	readers *Readers
	since   time.Time
	abort   func()
	parties []Party
	mu      sync.Mutex
	hold    *Hold // guarded by mu
}

// NewReaders returns readers that hold at most capacity bytes. While there is space, none is ended; otherwise those are that have been reading for
// longer than patience.
func NewReaders(capacity int64, patience time.Duration) *Readers {
	return &Readers{budget: NewBudget(capacity), patience: patience, all: map[*Reader]struct{}{}}
}

// Begin adds a reader. abort ends it; it may be called more than once, at any time until Done, and must not block.
func (r *Readers) Begin(now time.Time, abort func(), parties ...Party) *Reader {
	one := &Reader{readers: r, since: now, abort: abort, parties: parties, hold: r.budget.Open(parties...)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[one] = struct{}{}
	return one
}

// Grow takes n more bytes for a reader. false: there is no space for it, and readers that take too long have been ended; or its party already reads
// its share, and the party's slow readers have been ended.
func (one *Reader) Grow(now time.Time, n int64) bool {
	r := one.readers
	one.mu.Lock()
	v := Full
	if one.hold.n+n <= r.budget.capacity {
		v = one.hold.Take(n)
	}
	one.mu.Unlock()
	switch v {
	case Full:
		r.End(now, r.patience)
	case Unfair:
		r.End(now, r.patience, one.parties...)
	}
	return v == Taken
}

// Held is how many bytes a reader has.
func (one *Reader) Held() int64 {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.hold.n
}

// Done removes a reader and releases its bytes. It may be called more than once.
func (one *Reader) Done() {
	one.readers.mu.Lock()
	delete(one.readers.all, one)
	one.readers.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	one.hold.Release()
}

// End ends the readers that have been reading for longer than patience: all of them, or those of some parties.
func (r *Readers) End(now time.Time, patience time.Duration, of ...Party) {
	r.mu.Lock()
	var old []*Reader
	for one := range r.all {
		if now.Sub(one.since) > patience && (len(of) == 0 || slices.ContainsFunc(of, one.is)) {
			old = append(old, one)
		}
	}
	r.mu.Unlock()
	for _, one := range old {
		one.abort()
	}
}

func (one *Reader) is(p Party) bool { return slices.Contains(one.parties, p) }

// Used is how many bytes readers hold.
func (r *Readers) Used() int64 { return r.budget.Used() }
