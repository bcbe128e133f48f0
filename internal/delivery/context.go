package delivery

import "context"

type (
	sessionKey struct{}
	partKey    struct{}
)

// With returns a context under which batches of s's partition travel. Drivers of a journal's partitions use it, for
// batches and for Flush.
func With(ctx context.Context, s *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// From returns the session of the partition that ctx's batch came from; ok is false without a journal upstream.
func From(ctx context.Context) (s *Session, ok bool) {
	s, ok = ctx.Value(sessionKey{}).(*Session)
	return s, ok
}

// Part names a batch of a recorded range. Whenever the range is delivered, the batch with the same Part has the same
// records, so what is written under that name replaces what was.
type Part struct {
	Bounds
	// Index among the batches of the range.
	Index int
}

// WithPart returns a context under which the batch travels that p names.
func WithPart(ctx context.Context, p Part) context.Context {
	return context.WithValue(ctx, partKey{}, p)
}

// PartOf returns the name of the batch that ctx belongs to; ok is false where ranges are not recorded.
func PartOf(ctx context.Context) (p Part, ok bool) {
	p, ok = ctx.Value(partKey{}).(Part)
	return p, ok
}
