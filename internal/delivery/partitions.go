package delivery

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
)

// ErrNoSession says that a component without a local session got a batch that no follower of a journal gave a session.
var ErrNoSession = errors.New("the batch has no session: journal is required, and no follower of a journal stands before this processor, " +
	"or one that is asynchronous stands between")

// Partitions are the states of one component: one for every partition of a journal that is worked on in this process, or the
// local one. A state is in it from its first batch until its session ends. It is safe for concurrent use, but for Open and
// Shutdown.
type Partitions[T Stateful] struct {
	id     string
	create func(*Session) T
	local  *Local
	here   *partition[T] // of local

	mu  sync.Mutex
	all map[*partition[T]]struct{} // guarded by mu
}

// partition is a state in its list.
type partition[T Stateful] struct {
	Stateful
	state  T
	list   *Partitions[T]
	listed sync.Once // once it is restored
}

// Close is called when the session ends.
func (p *partition[T]) Close() {
	p.list.mu.Lock()
	delete(p.list.all, p)
	p.list.mu.Unlock()
	closeState(p.state)
}

// NewPartitions returns the empty list of component id, whose states create makes.
func NewPartitions[T Stateful](id component.ID, create func(*Session) T) *Partitions[T] {
	return &Partitions[T]{id: id.String(), create: create, all: make(map[*partition[T]]struct{})}
}

// Open begins the local session, for batches that come without one.
func (l *Partitions[T]) Open(ctx context.Context, host component.Host, owner Owner, set LocalSettings) error {
	local, err := OpenOwned(ctx, host, owner, set)
	if err != nil {
		return err
	}
	l.local = local
	if l.here, err = l.join(local.Session()); err != nil {
		return err
	}
	local.Start()
	return nil
}

// Shutdown ends the local session, if there is one.
func (l *Partitions[T]) Shutdown(ctx context.Context) error {
	if l.local == nil {
		return nil
	}
	return l.local.Shutdown(ctx)
}

// Of returns the state for the batch that ctx came with. journal: it belongs to a journal's partition. Without a session
// of either kind the error is ErrNoSession.
func (l *Partitions[T]) Of(ctx context.Context) (state T, journal bool, err error) {
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

func (l *Partitions[T]) join(s *Session) (*partition[T], error) {
	p, err := Join(s, l.id, func() *partition[T] {
		state := l.create(s)
		return &partition[T]{Stateful: state, state: state, list: l}
	})
	if err == nil {
		p.listed.Do(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.all[p] = struct{}{}
		})
	}
	return p, err
}

// Each calls f for every state. f must not block.
func (l *Partitions[T]) Each(f func(T)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.all {
		f(p.state)
	}
}
