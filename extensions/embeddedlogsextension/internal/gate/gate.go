// Package gate lets a bounded number of queries run at once, and a bounded number wait.
package gate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrBusy is wrapped by the error of a query that found no place.
var ErrBusy = errors.New("too many queries")

// Gate has places for queries. Safe for concurrent use.
type Gate struct {
	places  chan struct{}
	waiting atomic.Int64
	most    int64
	used    func(context.Context, time.Duration)
	pace    *Pace // nil: none
}

// Paced makes the queries of the gate keep a pace, and returns the gate. Before its first use.
func (g *Gate) Paced(p *Pace) *Gate {
	g.pace = p
	return g
}

// New returns a gate with so many places, for which so many may wait. used is called with the context of each query before it gives
// its place back, and how long it had it.
func New(running, waiting int, used func(context.Context, time.Duration)) *Gate {
	return &Gate{places: make(chan struct{}, running), most: int64(waiting), used: used}
}

// Enter returns when there is a place; leave gives it back. It returns an error that wraps ErrBusy when too many wait, or ctx ends.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	select {
	case g.places <- struct{}{}:
		return g.turn(ctx)
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.most {
		return nil, fmt.Errorf("%w: %d run and %d wait (query::max_concurrency, query::max_waiting)", ErrBusy, cap(g.places), g.most)
	}
	select {
	case g.places <- struct{}{}:
		return g.turn(ctx)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %d ran until this one's time was over (query::max_concurrency, query::timeout)", ErrBusy, cap(g.places))
	}
}

// turn waits, with a place, until the pace lets the query run.
func (g *Gate) turn(ctx context.Context) (leave func(), err error) {
	if g.pace == nil {
		return g.leave(ctx), nil
	}
	end, err := g.pace.enter(ctx)
	if err != nil {
		<-g.places
		return nil, fmt.Errorf("%w: rows come in faster than the CPUs can take them, and queries give way (query::timeout)", ErrBusy)
	}
	back := g.leave(ctx)
	return func() {
		end()
		back()
	}, nil
}

func (g *Gate) leave(ctx context.Context) func() {
	began := time.Now()
	return func() {
		g.used(ctx, time.Since(began))
		<-g.places
	}
}
