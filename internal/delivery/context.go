package delivery

import "context"

type sessionKey struct{}

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
