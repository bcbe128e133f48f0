// Package gate lets a bounded number of queries run at once, and a bounded number wait.
package gate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrBusy is wrapped by the error of a query that found no place.
var ErrBusy = errors.New("too many queries")

// Gate has places for queries. Safe for concurrent use.
type Gate struct {
	places  chan struct{}
	waiting atomic.Int64
	most    int64
}

// New returns a gate with so many places, for which so many may wait.
func New(running, waiting int) *Gate {
	return &Gate{places: make(chan struct{}, running), most: int64(waiting)}
}

// Enter returns when there is a place; leave gives it back. It returns an error that wraps ErrBusy when too many wait, or ctx ends.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.places }
	select {
	case g.places <- struct{}{}:
		return leave, nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.most {
		return nil, fmt.Errorf("%w: %d run and %d wait (query::max_concurrency, query::max_waiting)", ErrBusy, cap(g.places), g.most)
	}
	select {
	case g.places <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %d ran until this one's time was over (query::max_concurrency, query::timeout)", ErrBusy, cap(g.places))
	}
}
