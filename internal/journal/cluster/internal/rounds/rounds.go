// Package rounds decides when to send what has been buffered: at once while nothing is under way, else when what is under
// way has come back. So a lone writer never waits, and many share their requests, the more the longer one takes (group
// commit, as databases do it).
package rounds

import "sync"

// Rounds counts writers. It is safe for concurrent use.
type Rounds struct {
	begin func()

	mu      sync.Mutex
	number  uint64 // guarded by mu; of the round under way, or of the last one
	flying  int    // guarded by mu; writers of that round that are not done
	waiting int    // guarded by mu; writers that came since
}

// Writer is one writer's place. Its fields are guarded by the lock of its Rounds; the zero value has neither joined nor left.
type Writer struct {
	round uint64 // 0: it has not joined
	left  bool
}

// New returns rounds without writers. begin sends all that is buffered and must not wait for it; it is called from Join and Leave,
// for each round once, never under a lock.
func New(begin func()) *Rounds { return &Rounds{begin: begin} }

// Join says that what w has to write is buffered. It begins a round if none is under way.
func (r *Rounds) Join(w *Writer) {
	r.mu.Lock()
	if !w.left { // else it was sent with the rest, and is done
		w.round = r.number + 1
		r.waiting++
	}
	r.beginAndUnlock()
}

// Leave says that w is done. It may come before Join, and it begins the next round if w was the last of this one.
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
