// Package room shares the places for workers among the parts of jobs. A part that does not get on, because its sink takes nothing, gives its place up
// to a part of another job.
package room

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// patience is how long a part may hold a place without getting on while others wait. It doubles each time that the part gives its place up, so that
	// a sink that is only slow gets its range done.
	patience    = 5 * time.Second
	maxPatience = 10 * time.Minute
)

// ErrGaveUp is the cause of the end of a place's context when the place goes to another job.
var ErrGaveUp = errors.New("the sink accepts nothing, and another job is waiting for the slot")

// Room has a number of places. It is safe for concurrent use.
type Room struct {
	mu      sync.Mutex
	free    int             // guarded by mu
	waiting []*waiter       // guarded by mu; in order of arrival
	held    map[*Place]bool // guarded by mu; true: overdue
	stuck   map[string]bool // guarded by mu; jobs that gave a place up and did not get on since
}

type waiter struct {
	job  string
	turn chan struct{}
}

// New returns a room of so many places.
func New(places int) *Room {
	return &Room{free: places, held: map[*Place]bool{}, stuck: map[string]bool{}}
}

// Queue is one part's claim on places, one after the other. It is for one goroutine.
type Queue struct {
	room     *Room
	job      string
	patience time.Duration
}

// Queue returns the claim of a part of job.
func (r *Room) Queue(job string) *Queue { return &Queue{room: r, job: job, patience: patience} }

// Place is held by one part.
type Place struct {
	q      *Queue
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// Enter waits for a place, until ctx ends or quit is closed: the place is nil then. The context that it returns ends with ErrGaveUp when the place has
// to be left for another job.
func (q *Queue) Enter(ctx context.Context, quit <-chan struct{}) (context.Context, *Place, error) {
	w := &waiter{job: q.job, turn: make(chan struct{})}
	r := q.room
	r.mu.Lock()
	r.waiting = append(r.waiting, w)
	r.admitLocked()
	r.mu.Unlock()
	select {
	case <-w.turn:
		ctx, cancel := context.WithCancelCause(ctx)
		p := &Place{q: q, cancel: cancel}
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
	} else { // The turn came meanwhile.
		r.free++
		r.admitLocked()
	}
	return ctx, nil, ctx.Err()
}

// admitLocked gives free places to those who wait: first to jobs that get on. Where none is free, a part that doesn't get on has to leave.
func (r *Room) admitLocked() {
	for r.free > 0 && len(r.waiting) > 0 {
		i := max(0, slices.IndexFunc(r.waiting, func(w *waiter) bool { return !r.stuck[w.job] }))
		w := r.waiting[i]
		r.waiting = slices.Delete(r.waiting, i, i+1)
		r.free--
		close(w.turn)
	}
	for p, overdue := range r.held {
		if overdue {
			p.giveUpLocked()
		}
	}
}

// overdue is called when the part has not got on for long.
func (p *Place) overdue() {
	r := p.q.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, held := r.held[p]; held {
		r.held[p] = true
		p.giveUpLocked()
	}
}

// giveUpLocked ends the place's context if a part of another job waits that gets on, as far as is known.
func (p *Place) giveUpLocked() {
	r := p.q.room
	if slices.ContainsFunc(r.waiting, func(w *waiter) bool { return w.job != p.q.job && !r.stuck[w.job] }) {
		r.stuck[p.q.job] = true
		p.cancel(ErrGaveUp)
	}
}

// Moved says that the part gets on.
func (p *Place) Moved() {
	r := p.q.room
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

// Leave gives the place back. It is safe to repeat.
func (p *Place) Leave(ctx context.Context) {
	r := p.q.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, held := r.held[p]; !held {
		return
	}
	delete(r.held, p)
	p.timer.Stop()
	if errors.Is(context.Cause(ctx), ErrGaveUp) {
		p.q.patience = min(2*p.q.patience, maxPatience)
	}
	p.cancel(nil)
	r.free++
	r.admitLocked()
}

// Forget drops what is known of a job that has ended.
func (r *Room) Forget(job string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.stuck, job)
}
