package delivery

import (
	"context"
	"errors"
	"sync"
)

// ErrNoSession says that a component without a local session got a batch to which no journal follower has given a session.
var ErrNoSession = errors.New("the batch has no session: journal is required, but no follower of a journal is upstream of this processor, " +
	"or an asynchronous component is between them")

// States are the states of one component: one for every journal partition that this process works on, or the local one, see package local.
// A state is in the list from its first batch until its session ends. It is safe for concurrent use, except for Without.
type States[T Stateful] struct {
	id     string
	create func(*Session) T
	here   *listed[T] // of batches without a session; nil: no such batches

	mu  sync.Mutex
	all map[*listed[T]]struct{} // guarded by mu
}

// listed is a state in its list.
type listed[T Stateful] struct {
	Stateful
	state T
	list  *States[T]
	once  sync.Once // set after the state was restored
}

// Close is called when the session ends.
func (p *listed[T]) Close() {
	p.list.mu.Lock()
	delete(p.list.all, p)
	p.list.mu.Unlock()
	closeState(p.state)
}

// NewStates returns the empty list of component id, whose states create makes.
func NewStates[T Stateful](id string, create func(*Session) T) *States[T] {
	return &States[T]{id: id, create: create, all: make(map[*listed[T]]struct{})}
}

// Without makes s the session of batches that come without one. It must be called before the first of these.
func (l *States[T]) Without(s *Session) (err error) {
	l.here, err = l.join(s)
	return err
}

// Of returns the state for ctx's batch. journal: it belongs to a journal partition. Without a session of either kind the error is
// ErrNoSession.
func (l *States[T]) Of(ctx context.Context) (state T, journal bool, err error) {
	p := l.here
	session, journal := From(ctx)
	if journal {
		p, err = l.join(session)
	} else if p == nil {
		err = ErrNoSession
	}
	if err != nil {
		return state, journal, err
	}
	return p.state, journal, nil
}

func (l *States[T]) join(s *Session) (*listed[T], error) {
	p, err := Join(s, l.id, func() *listed[T] {
		state := l.create(s)
		return &listed[T]{Stateful: state, state: state, list: l}
	})
	if err == nil {
		p.once.Do(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.all[p] = struct{}{}
		})
	}
	return p, err
}

// Each calls f for every state. f must not block.
func (l *States[T]) Each(f func(T)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.all {
		f(p.state)
	}
}
