package access

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/client"
)

// ValidAttribute is the attribute of a client's identity that is a func() bool: whether the authenticator would still admit the client.
const ValidAttribute = "valid"

// ErrRevoked is why WhileValid ends a context.
var ErrRevoked = errors.New("the API key is no longer valid: it was revoked, it has expired, or its scopes have changed")

// checkEvery is how long a client may continue after its key was revoked.
const checkEvery = time.Second

// WhileValid returns a context for an answer that follows something, such as a live tail. It ends with the cause ErrRevoked within a second
// after the client's key has become invalid. If the authenticator can't tell, it returns ctx. stop releases its resources.
func WhileValid(ctx context.Context) (valid context.Context, stop func()) {
	return whileValid(ctx, checkEvery)
}

func whileValid(ctx context.Context, every time.Duration) (valid context.Context, stop func()) {
	auth := client.FromContext(ctx).Auth
	if auth == nil {
		return ctx, func() {}
	}
	isValid, ok := auth.GetAttribute(ValidAttribute).(func() bool)
	if !ok {
		return ctx, func() {}
	}
	valid, end := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-valid.Done():
				return
			case <-tick.C:
				if !isValid() {
					end(ErrRevoked)
					return
				}
			}
		}
	}()
	return valid, func() { end(context.Canceled) }
}
