// Package rounds decides when to send buffered writes: at once if no request is in flight, else when the requests in flight are answered. So a
// single writer never waits, and many writers share requests, the more the longer a request takes (group commit, as in databases).
package rounds

import "sync"

// Rounds counts writers. It is safe for concurrent use.
type Rounds struct {
	begin func()

	mu      sync.Mutex
	number  uint64 // guarded by mu; of the current round, or of the last one
	flying  int    // guarded by mu; unfinished writers of that round
	waiting int    // guarded by mu; writers that joined since
}

// Writer is one writer's state. The lock of its Rounds guards its fields; the zero value has neither joined nor left.
type Writer struct {
	round uint64 // 0: it has not joined
	left  bool
}

// New returns rounds without writers. begin sends everything that is buffered and must not wait for it; Join and Leave call it once per round,
// never under a lock.
func New(begin func()) *Rounds { return &Rounds{begin: begin} }

// Join says that w's data is buffered. It begins a round if none is in progress.
func (r *Rounds) Join(w *Writer) {
	r.mu.Lock()
	if !w.left { // otherwise an earlier round sent it, and it is done
		w.round = r.number + 1
		r.waiting++
	}
	r.beginAndUnlock()
}

// Leave says that w is done. It may be called before Join, and it begins the next round if w was the last of this one.
func (r *Rounds) Leave(w *Writer) {
	r.mu.Lock()
	switch {
	case w.left || w.round == 0:
	case w.round <= r.number:
		r.flying--
	default: // something else sent it
		r.waiting--
	}
	w.left = true
	r.beginAndUnlock()
}

func (r *Rounds) beginAndUnlock() {
	begins := r.flying == 0 && r.waiting > 0
	if begins {
		r.number++
		r.flying, r.waiting = r.waiting, 0
	}
	r.mu.Unlock()
	if begins {
		r.begin()
	}
}
