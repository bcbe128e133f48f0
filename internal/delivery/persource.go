package delivery

import (
	"context"
	"sync"
)

// PerSource holds data that a component remembers between batches and that no checkpoint contains: hints about the content of a sink,
// known series. It has one value for each [Source], so that a job and live delivery through the same component share nothing. A value
// lives as long as a session of its source: a job that is cancelled and created again starts with a new value, and so does a partition
// that restarts while no other one is delivered. The value of [Direct] is never removed. PerSource is safe for concurrent use by as many
// sources as jobs run at once, plus two; T must be safe itself.
type PerSource[T any] struct {
	create func() T

	mu  sync.Mutex
	all map[Source]*remembered[T] // guarded by mu
}

type remembered[T any] struct {
	value    T
	sessions map[*Session]struct{}
}

// NewPerSource returns an empty PerSource that creates its values with create.
func NewPerSource[T any](create func() T) *PerSource[T] {
	return &PerSource[T]{create: create, all: make(map[Source]*remembered[T])}
}

// Of returns the value of the source of ctx's batch.
func (p *PerSource[T]) Of(ctx context.Context) T {
	d := Of(ctx)
	p.mu.Lock()
	r := p.all[d.Source()]
	if r != nil {
		if _, known := r.sessions[d.Session]; known {
			p.mu.Unlock()
			return r.value
		}
	} else {
		r = &remembered[T]{value: p.create(), sessions: map[*Session]struct{}{}}
		p.all[d.Source()] = r
	}
	r.sessions[d.Session] = struct{}{}
	p.mu.Unlock()
	if d.Session != nil && !d.Session.onClose(func() { p.leave(d.Source(), d.Session) }) {
		p.leave(d.Source(), d.Session) // A batch of a session that was abandoned is still in flight.
	}
	return r.value
}

// Each calls f for the value of each source. f must not block.
func (p *PerSource[T]) Each(f func(Source, T)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, r := range p.all {
		f(s, r.value)
	}
}

func (p *PerSource[T]) leave(source Source, s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.all[source]
	if r == nil {
		return
	}
	if delete(r.sessions, s); len(r.sessions) == 0 {
		delete(p.all, source)
	}
}
