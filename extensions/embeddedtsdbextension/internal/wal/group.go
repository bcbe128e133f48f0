package wal

import (
	"context"
	"sync"
)

// Group lets callers share runs of a function: a caller waits for a run that begins after its call, so that the run covers everything that the
// caller did before. A run begins at once if there is none in progress; callers that arrive during a run share the next one. Safe for concurrent
// use.
type Group struct {
	run func() error

	mu      sync.Mutex
	next    *round // guarded by mu; nil: no caller waits for it
	running bool   // guarded by mu
}

type round struct {
	done chan struct{}
	err  error // valid when done is closed
}

// NewGroup returns a group whose callers share run.
func NewGroup(run func() error) *Group { return &Group{run: run} }

// Do returns the result of a run that began after the call, or ctx's error.
func (g *Group) Do(ctx context.Context) error {
	g.mu.Lock()
	if g.next == nil {
		g.next = &round{done: make(chan struct{})}
	}
	mine := g.next
	if !g.running {
		g.running = true
		go g.work()
	}
	g.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Group) work() {
	for {
		g.mu.Lock()
		now := g.next
		g.next = nil
		g.running = now != nil
		g.mu.Unlock()
		if now == nil {
			return
		}
		now.err = g.run()
		close(now.done)
	}
}
