package delivery

import (
	"context"
	"sync"
)

// PerSource holds what a component remembers between batches and no checkpoint keeps: hints about what a sink has, series that were seen. There
// is one value for each [Source], so a job and live delivery through one component share none. A value lives as long as a session of its source:
// a job that is cancelled and made again begins with a new one, and so does a partition that begins again where no other is delivered. The value
// of [Direct] lives for ever. It is safe for concurrent use, of up to as many sources as jobs run at once, and two; T has to be safe itself.
type PerSource[T any] struct {
	create func() T

	mu  sync.Mutex
	all map[Source]*remembered[T] // guarded by mu
}

type remembered[T any] struct {
	value    T
	sessions map[*Session]struct{}
}

// NewPerSource returns an empty PerSource whose values create makes.
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
		p.leave(d.Source(), d.Session) // A batch that was given up with its session is still on its way.
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
