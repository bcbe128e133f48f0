package delivery

import "context"

type attemptsKey struct{}

// WithAttempts returns a context under which exporters tell hear what becomes of each attempt to send. hear is called from
// many goroutines.
func WithAttempts(ctx context.Context, hear func(exporter string, err error)) context.Context {
	return context.WithValue(ctx, attemptsKey{}, hear)
}

// Attempted tells the follower that ctx's batch came from what became of an attempt to send it: nil if the sink has answered, also
// if it refused for good; an error if the sink can't be reached or can't take anything now. An exporter retries for as long as it
// takes, and the follower would not know why it waits. heard is false where no follower listens.
func Attempted(ctx context.Context, exporter string, err error) (heard bool) {
	hear, ok := ctx.Value(attemptsKey{}).(func(string, error))
	if ok {
		hear(exporter, err)
	}
	return ok
}
