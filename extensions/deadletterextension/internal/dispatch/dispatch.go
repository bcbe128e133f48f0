// Package dispatch sends export requests to servers that may refuse them, so that a refusal costs the items that it is about and
// nothing else, and no request is given up for a reason that somebody can mend.
package dispatch

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/parts"
	"github.com/penstockhq/penstock/internal/verdict"
)

const (
	// patience is how often a request must fail in a doubtful way before it counts as the cause itself.
	patience = 3
	// maxSends bounds how many parts of one request are tried; after that a refused part goes to the dead letter as it is.
	maxSends = 1024
	// fruitless is how many attempts in a row may fail in a doubtful way before a pass over the parts ends: the server itself fails then.
	// Dividing 100 000 items down to one takes 17.
	fruitless = 20
	// maxStates is how many divided requests a lane remembers. What it forgets is sent whole again, so some of it twice.
	maxStates = 64
)

// Reasons for which items go to the dead letter.
const (
	Refused  = "refused"   // the server has looked at the data and refuses it
	TooLarge = "too_large" // the item is larger than the server takes
	Doubtful = "doubtful"  // the server fails for this item again and again while it takes others
)

// Answer is what became of one attempt.
type Answer struct {
	verdict.Answer
	// Rejected is how many items of an accepted request the server says that it has refused.
	Rejected int64
	// Err is nil if the server has accepted the request.
	Err error
}

// Post makes one attempt to send an encoded request.
type Post func(ctx context.Context, body []byte) Answer

// Observer is told what happens. Its methods are called from many goroutines.
type Observer interface {
	// Bury stores the items of body for good. An error means that they are not stored; they are tried again then.
	Bury(ctx context.Context, signal parts.Signal, items int, reason string, body []byte, cause error) error
	// Park stores a request that failed in a doubtful way while the server takes nothing else; Resume sends it later.
	Park(lane *Lane, body []byte, items int) (stored bool)
	// Rejected is told of items that a server has refused in a partial success.
	Rejected(ctx context.Context, signal parts.Signal, items int64)
}

// Lane is the way of one signal to one server. It is safe for concurrent use. Memory: the ranges of up to 64 divided requests, and
// while a refused request is divided, its bytes, its decoded form and one part.
type Lane struct {
	// Name tells lanes apart.
	Name string

	signal parts.Signal
	told   Observer

	mu     sync.Mutex
	passes uint64         // guarded by mu; requests that the server has accepted
	states map[key]*state // guarded by mu
	order  []key          // guarded by mu; oldest first
}

// key names a request: who holds it, and its bytes. Two equal requests are two.
type key struct {
	holder string
	sum    [sha256.Size]byte
}

// state is what a request that failed has come to. The goroutine that sends the request owns all but tries and passedAt.
type state struct {
	tries    int    // guarded by Lane.mu; how often the whole failed in a doubtful way
	passedAt uint64 // guarded by Lane.mu; the lane's passes when it first did
	pieces   []piece
	sends    int
}

// piece is a part of a request that is not done yet.
type piece struct {
	parts.Range
	tries    int
	passedAt uint64
}

// NewLane returns a lane.
func NewLane(name string, signal parts.Signal, told Observer) *Lane {
	return &Lane{Name: name, signal: signal, told: told, states: map[key]*state{}}
}

// Send makes an attempt to send a request: whole sends it as it is, body encodes it, post sends parts. It returns whole's answer, or, if the
// request had to be divided, an accepted one once all of it is accepted or stored as dead letters, or the answer because of
// which the caller has to come again with the same request.
//
// holder tells requests with equal bytes apart and stays the same when one is sent again. With an empty one nothing is remembered
// of the parts: a request that comes again is sent whole.
func (l *Lane) Send(ctx context.Context, holder string, whole func(context.Context) Answer, body func() ([]byte, error), post Post) Answer {
	if !l.remembers() {
		a := whole(ctx)
		if a.Verdict == verdict.Accepted {
			l.passed(ctx, a)
			return a
		}
		if a.Again() && !a.Doubtful {
			return a
		}
		raw, err := body()
		if err != nil {
			return a
		}
		return l.failed(ctx, l.state(keyOf(holder, raw)), raw, a, post)
	}
	raw, err := body()
	if err != nil {
		return again(err)
	}
	return l.known(ctx, keyOf(holder, raw), raw, whole, post)
}

// Resume sends a parked request again. done means that nothing of it is left; a request that fails while the server takes nothing
// else stays.
func (l *Lane) Resume(ctx context.Context, holder string, raw []byte, post Post) (done bool) {
	whole := func(ctx context.Context) Answer { return post(ctx, raw) }
	return l.known(ctx, keyOf(holder, raw), raw, whole, post).Verdict == verdict.Accepted
}

func keyOf(holder string, raw []byte) key { return key{holder, sha256.Sum256(raw)} }

// known goes on with a request that may have failed before.
func (l *Lane) known(ctx context.Context, id key, raw []byte, whole func(context.Context) Answer, post Post) Answer {
	st := l.lookUp(id)
	if st != nil && st.pieces != nil {
		return l.narrow(ctx, held{id, st}, raw, nil, post)
	}
	a := whole(ctx)
	if a.Verdict == verdict.Accepted {
		l.passed(ctx, a)
		l.forget(id)
		return a
	}
	if a.Again() && !a.Doubtful {
		return a
	}
	return l.failed(ctx, l.state(id), raw, a, post)
}

// held is a state with its key.
type held struct {
	id key
	*state
}

// failed decides about a whole request that was refused or that failed in a doubtful way.
func (l *Lane) failed(ctx context.Context, st held, raw []byte, a Answer, post Post) Answer {
	if a.Doubtful {
		suspect, tries := l.suspects(&st.tries, &st.passedAt)
		if !suspect {
			if tries > patience && l.park(raw) {
				l.forget(st.id)
				return accepted
			}
			return a
		}
	}
	return l.narrow(ctx, st, raw, &a, post)
}

// suspects notes a doubtful failure, and says whether what failed is the cause: it has failed often, and the server has accepted other
// requests since it first did.
func (l *Lane) suspects(tries *int, passedAt *uint64) (suspect bool, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *tries == 0 {
		*passedAt = l.passes
	}
	*tries++
	return *tries >= patience && l.passes > *passedAt, *tries
}

// narrow tries the pieces of a request, and divides those that fail, until nothing is left or the caller has to come again. whole is
// the answer to the whole request, if that was just sent.
func (l *Lane) narrow(ctx context.Context, st held, raw []byte, whole *Answer, post Post) Answer {
	batch, err := parts.Decode(l.signal, raw)
	if err != nil { // Nobody can divide it.
		if err := l.told.Bury(ctx, l.signal, 0, Refused, raw, err); err != nil {
			return again(err)
		}
		l.forget(st.id)
		return accepted
	}
	s := st.state
	if st.id.holder == "" {
		s = &state{}
	}
	n := narrowing{lane: l, batch: batch, st: s, dead: map[string][]parts.Range{}, causes: map[string]error{}}
	if whole != nil {
		n.last = *whole
		n.settle(piece{Range: parts.Range{From: 0, To: batch.Items}, tries: st.tries - 1, passedAt: st.passedAt}, *whole)
	}
	n.run(ctx, post)
	if err := n.bury(ctx); err != nil {
		return again(err)
	}
	if len(s.pieces) > 0 {
		return n.last
	}
	l.forget(st.id)
	return accepted
}

var accepted = Answer{Answer: verdict.Answer{Verdict: verdict.Accepted}}

func again(err error) Answer { return Answer{Err: err} }

func (l *Lane) park(raw []byte) bool {
	batch, err := parts.Decode(l.signal, raw)
	return err == nil && l.told.Park(l, raw, batch.Items)
}

func (l *Lane) passed(ctx context.Context, a Answer) {
	l.mu.Lock()
	l.passes++
	l.mu.Unlock()
	if a.Rejected > 0 {
		l.told.Rejected(ctx, l.signal, a.Rejected)
	}
}

func (l *Lane) remembers() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.states) > 0
}

func (l *Lane) lookUp(id key) *state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.states[id]
}

// state returns what is known of a request, a new state if that is nothing.
func (l *Lane) state(id key) held {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st := l.states[id]; st != nil {
		return held{id, st}
	}
	if len(l.order) == maxStates {
		delete(l.states, l.order[0])
		l.order = l.order[1:]
	}
	st := &state{}
	l.states[id], l.order = st, append(l.order, id)
	return held{id, st}
}

func (l *Lane) forget(id key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.states[id] == nil {
		return
	}
	delete(l.states, id)
	l.order = slices.DeleteFunc(l.order, func(k key) bool { return k == id })
}
