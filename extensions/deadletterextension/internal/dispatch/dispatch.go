// Package dispatch sends export requests to servers that may refuse them, so that a refusal affects only the refused items, and no request is
// discarded for a reason that an operator can remove.
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
	// patience is how many doubtful failures a request must have before the request itself counts as the cause.
	patience = 3
	// maxSends bounds the attempts with parts of one request; after that a refused part becomes a dead letter undivided.
	maxSends = 1024
	// fruitless is how many consecutive doubtful failures end a pass over the parts: then the server itself fails. Dividing 100 000 items down to
	// one takes 17 attempts.
	fruitless = 20
	// maxStates is how many divided requests a lane remembers. A forgotten one is sent whole again, so some of its items are sent twice.
	maxStates = 64
)

// Reasons for which items become a dead letter.
const (
	Refused  = "refused"   // the server has checked the data and refuses it
	TooLarge = "too_large" // the item is larger than the server accepts
	Doubtful = "doubtful"  // the server fails for this item repeatedly while it accepts others
)

// Answer is the result of one attempt.
type Answer struct {
	verdict.Answer
	// Rejected is how many items of an accepted request the server has refused.
	Rejected int64
	// Err is nil if the server has accepted the request.
	Err error
}

// Post makes one attempt to send an encoded request.
type Post func(ctx context.Context, body []byte) Answer

// Observer is called with events. Its methods are called from many goroutines.
type Observer interface {
	// StoreDeadLetter stores the items of body as a dead letter. An error means that they are not stored; they are then tried again.
	StoreDeadLetter(ctx context.Context, signal parts.Signal, items int, reason string, body []byte, cause error) error
	// Park stores a request that failed in a doubtful way while the server accepts nothing else; Resume sends it later.
	Park(lane *Lane, body []byte, items int) (stored bool)
	// Rejected is called with the number of items that a server has refused in a partial success.
	Rejected(ctx context.Context, signal parts.Signal, items int64)
}

// Lane is the state of one signal to one server. It is safe for concurrent use. Memory: the ranges of up to 64 divided requests, and while a
// refused request is divided, its bytes, its decoded form and one part.
type Lane struct {
	// Name identifies the lane.
	Name string

	signal parts.Signal
	told   Observer

	mu     sync.Mutex
	passes uint64         // guarded by mu; requests that the server has accepted
	states map[key]*state // guarded by mu
	order  []key          // guarded by mu; oldest first
}

// key identifies a request: its holder and its bytes. So two equal requests have two keys.
type key struct {
	holder string
	sum    [sha256.Size]byte
}

// state is the progress of a request that failed. The goroutine that sends the request owns all fields except tries and passedAt.
type state struct {
	tries    int    // guarded by Lane.mu; doubtful failures of the whole request
	passedAt uint64 // guarded by Lane.mu; the lane's passes at the first of them
	pieces   []piece
	sends    int
}

// piece is an unfinished part of a request.
type piece struct {
	parts.Range
	tries    int
	passedAt uint64
}

// NewLane returns a lane.
func NewLane(name string, signal parts.Signal, told Observer) *Lane {
	return &Lane{Name: name, signal: signal, told: told, states: map[key]*state{}}
}

// Send makes an attempt to send a request: whole sends it unchanged, body encodes it, post sends parts. It returns whole's answer. If the request
// had to be divided, it returns an accepted answer once every part is accepted or stored as a dead letter, or else the answer because of which the
// caller must retry with the same request.
//
// holder distinguishes requests with equal bytes, and stays the same when one is retried. With an empty holder, the progress of parts is not
// remembered: a retried request is sent whole.
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

// Resume sends a parked request again. done means that nothing of it is left; a request that fails while the server accepts nothing else stays.
func (l *Lane) Resume(ctx context.Context, holder string, raw []byte, post Post) (done bool) {
	whole := func(ctx context.Context) Answer { return post(ctx, raw) }
	return l.known(ctx, keyOf(holder, raw), raw, whole, post).Verdict == verdict.Accepted
}

func keyOf(holder string, raw []byte) key { return key{holder, sha256.Sum256(raw)} }

// known continues with a request that may have failed before.
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

// failed handles a whole request that was refused or that failed in a doubtful way.
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

// suspects records a doubtful failure, and says whether the request itself is the cause: it has failed often, and the server has accepted other
// requests since its first failure.
func (l *Lane) suspects(tries *int, passedAt *uint64) (suspect bool, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *tries == 0 {
		*passedAt = l.passes
	}
	*tries++
	return *tries >= patience && l.passes > *passedAt, *tries
}

// narrow tries the pieces of a request, and divides those that fail, until nothing is left or the caller must retry. whole is the answer to the
// whole request, if that was just sent.
func (l *Lane) narrow(ctx context.Context, st held, raw []byte, whole *Answer, post Post) Answer {
	batch, err := parts.Decode(l.signal, raw)
	if err != nil { // It can't be divided.
		if err := l.told.StoreDeadLetter(ctx, l.signal, 0, Refused, raw, err); err != nil {
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
	if err := n.storeDeadLetters(ctx); err != nil {
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

// state returns the progress of a request, a new one if there is none.
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
