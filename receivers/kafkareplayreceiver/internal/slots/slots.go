// Package slots shares the slots for workers among the parts of jobs. A part that makes no progress, because its sink accepts nothing,
// yields its slot to a part of another job.
package slots

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// patience is how long a part may hold a slot without progress while others wait. It doubles each time the part yields its slot, so
	// that a sink that is only slow completes its range.
	patience    = 5 * time.Second
	maxPatience = 10 * time.Minute
)

// ErrYielded is the cause with which a slot's context ends when another job gets the slot.
var ErrYielded = errors.New("the sink accepts nothing, and another job is waiting for the slot")

// Slots is a number of slots. It is safe for concurrent use.
type Slots struct {
	mu      sync.Mutex
	free    int             // guarded by mu
	waiting []*waiter       // guarded by mu; in order of arrival
	held    map[*Slot]bool  // guarded by mu; true: no progress for its patience
	stuck   map[string]bool // guarded by mu; jobs that yielded a slot and made no progress since
}

type waiter struct {
	job  string
	turn chan struct{}
}

// New returns so many slots.
func New(places int) *Slots {
	return &Slots{free: places, held: map[*Slot]bool{}, stuck: map[string]bool{}}
}

// Queue is one part's sequence of requests for slots. It is for one goroutine.
type Queue struct {
	slots    *Slots
	job      string
	patience time.Duration
}

// Queue returns the queue of a part of job.
func (r *Slots) Queue(job string) *Queue { return &Queue{slots: r, job: job, patience: patience} }

// Slot is held by one part.
type Slot struct {
	q      *Queue
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// Enter waits for a slot, until ctx ends or quit is closed: the slot is then nil. The returned context ends with ErrYielded when the slot
// has to be left for another job.
func (q *Queue) Enter(ctx context.Context, quit <-chan struct{}) (context.Context, *Slot, error) {
	w := &waiter{job: q.job, turn: make(chan struct{})}
	r := q.slots
	r.mu.Lock()
	r.waiting = append(r.waiting, w)
	r.admitLocked()
	r.mu.Unlock()
	select {
	case <-w.turn:
		ctx, cancel := context.WithCancelCause(ctx)
		p := &Slot{q: q, cancel: cancel}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.held[p] = false
		p.timer = time.AfterFunc(q.patience, p.overdue)
		return ctx, p, nil
	case <-quit:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.waiting, w); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	} else { // The slot was assigned in the meantime.
		r.free++
		r.admitLocked()
	}
	return ctx, nil, ctx.Err()
}

// admitLocked assigns free slots to waiting parts: first to jobs that make progress. If none is free, a part without progress has to
// leave.
func (r *Slots) admitLocked() {
	for r.free > 0 && len(r.waiting) > 0 {
		i := max(0, slices.IndexFunc(r.waiting, func(w *waiter) bool { return !r.stuck[w.job] }))
		w := r.waiting[i]
		r.waiting = slices.Delete(r.waiting, i, i+1)
		r.free--
		close(w.turn)
	}
	for p, overdue := range r.held {
		if overdue {
			p.yieldLocked()
		}
	}
}

// overdue is called when the part has made no progress for its patience.
func (p *Slot) overdue() {
	r := p.q.slots
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, held := r.held[p]; held {
		r.held[p] = true
		p.yieldLocked()
	}
}

// yieldLocked ends the slot's context if a part of another job waits that, as far as known, makes progress.
func (p *Slot) yieldLocked() {
	r := p.q.slots
	if slices.ContainsFunc(r.waiting, func(w *waiter) bool { return w.job != p.q.job && !r.stuck[w.job] }) {
		r.stuck[p.q.job] = true
		p.cancel(ErrYielded)
	}
}

// Moved notes that the part makes progress.
func (p *Slot) Moved() {
	r := p.q.slots
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, held := r.held[p]; !held {
		return
	}
	r.held[p] = false
	delete(r.stuck, p.q.job)
	p.q.patience = patience
	p.timer.Reset(patience)
}

// Leave returns the slot. It may be repeated.
func (p *Slot) Leave(ctx context.Context) {
	r := p.q.slots
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, held := r.held[p]; !held {
		return
	}
	delete(r.held, p)
	p.timer.Stop()
	if errors.Is(context.Cause(ctx), ErrYielded) {
		p.q.patience = min(2*p.q.patience, maxPatience)
	}
	p.cancel(nil)
	r.free++
	r.admitLocked()
}

// Forget removes the state of a job that has ended.
func (r *Slots) Forget(job string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.stuck, job)
}
