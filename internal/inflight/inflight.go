// Package inflight bounds the bytes that requests hold: those that are being read, and those that have been decoded.
package inflight

import (
	"sync"
	"time"
)

// Budget is a number of bytes that requests share. Safe for concurrent use.
type Budget struct {
	mu       sync.Mutex
	capacity int64
	used     int64 // guarded by mu
}

// NewBudget returns a budget of capacity bytes.
func NewBudget(capacity int64) *Budget { return &Budget{capacity: capacity} }

// Acquire takes n bytes if they are there, and returns how many the caller has to give back; ok is false if they are not. A request that
// is larger than the whole budget takes all of it, so it is admitted when there is no other.
func (b *Budget) Acquire(n int64) (held int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, b.capacity)
	if b.used+n > b.capacity {
		return 0, false
	}
	b.used += n
	return n, true
}

// Release gives back what Acquire took.
func (b *Budget) Release(held int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= held
}

// Used is how many bytes are taken.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Readers are the requests whose bytes are still arriving. Nobody knows what a client that stops in the middle still means to send, so
// when their bytes are used up, those that have been at it for longest are ended. Safe for concurrent use.
type Readers struct {
	mu       sync.Mutex
	capacity int64
	patience time.Duration
	used     int64                // guarded by mu
	all      map[*Reader]struct{} // guarded by mu
}

// Reader is one of them.
type Reader struct {
	readers *Readers
	since   time.Time
	abort   func()
	held    int64 // guarded by readers.mu
}

// NewReaders returns readers that hold at most capacity bytes. While there is room, none is ended; when there is none, those are that
// have been reading for longer than patience.
func NewReaders(capacity int64, patience time.Duration) *Readers {
	return &Readers{capacity: capacity, patience: patience, all: map[*Reader]struct{}{}}
}

// Begin adds a reader. abort ends it; it may be called more than once, at any time until Done, and must not block.
func (r *Readers) Begin(now time.Time, abort func()) *Reader {
	one := &Reader{readers: r, since: now, abort: abort}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[one] = struct{}{}
	return one
}

// Grow takes n more bytes for a reader. false: there is no room for it, and those that read for too long have been ended.
func (one *Reader) Grow(now time.Time, n int64) bool {
	r := one.readers
	r.mu.Lock()
	fits := r.used+n <= r.capacity
	if fits {
		r.used += n
		one.held += n
	}
	r.mu.Unlock()
	if !fits {
		r.End(now, r.patience)
	}
	return fits
}

// Held is how many bytes a reader has.
func (one *Reader) Held() int64 {
	one.readers.mu.Lock()
	defer one.readers.mu.Unlock()
	return one.held
}

// Done removes a reader and gives back its bytes. It may be called more than once.
func (one *Reader) Done() {
	r := one.readers
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, one)
	r.used -= one.held
	one.held = 0
}

// End ends the readers that have been at it for longer than patience.
func (r *Readers) End(now time.Time, patience time.Duration) {
	r.mu.Lock()
	var old []*Reader
	for one := range r.all {
		if now.Sub(one.since) > patience {
			old = append(old, one)
		}
	}
	r.mu.Unlock()
	for _, one := range old {
		one.abort()
	}
}

// Used is how many bytes readers hold.
func (r *Readers) Used() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used
}
