package delivery

import (
	"context"
	"sync/atomic"
)

type refusalsKey struct{}

// Refusals counts what sinks refuse for good of a batch that they otherwise take. It is safe for concurrent use.
type Refusals struct{ n atomic.Int64 }

// WithRefusals returns a context under which a batch travels whose refusals are counted.
func WithRefusals(ctx context.Context) (context.Context, *Refusals) {
	r := &Refusals{}
	return context.WithValue(ctx, refusalsKey{}, r), r
}

// Count returns how many items were refused so far. Where several sinks refuse the same one, it counts as often.
func (r *Refusals) Count() int64 { return r.n.Load() }

// Refuse tells who sent ctx's batch that a sink has refused n items of it and won't be asked for them again. It has no effect
// where nobody counts, and no meaning where the sink returns an error for the batch.
func Refuse(ctx context.Context, n int64) {
	if r, ok := ctx.Value(refusalsKey{}).(*Refusals); ok {
		r.n.Add(n)
	}
}
