// Package partial tells a client which items of an accepted request were left out: OTLP's partial success. Receivers of the collector answer with
// full success or an error, so the component before one puts an [Answer] into the request's context, and components after the receiver that leave
// out items write into it.
package partial

import (
	"context"
	"strings"
	"sync"
)

// maxMessages bounds the texts of an Answer, each of which is one component's reason.
const maxMessages = 4

// Answer collects the items left out of one request. The zero value is empty and ready. It is safe for concurrent use; rejections after the client
// was answered are stored and never sent.
type Answer struct {
	mu       sync.Mutex
	rejected int      // guarded by mu
	messages []string // guarded by mu; each once
}

type key struct{}

// With returns a context in which [Reject] finds a.
func With(ctx context.Context, a *Answer) context.Context { return context.WithValue(ctx, key{}, a) }

// Reject records that items (data points, log records or spans) of ctx's request are left out permanently, and why. The text goes to the client.
// Without an Answer in ctx it does nothing. Each item is rejected by one component.
func Reject(ctx context.Context, items int, why string) {
	a, ok := ctx.Value(key{}).(*Answer)
	if !ok || items <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rejected += items
	for _, m := range a.messages {
		if m == why {
			return
		}
	}
	if len(a.messages) < maxMessages {
		a.messages = append(a.messages, why)
	}
}

// Rejected returns the number of items that were left out, and why.
func (a *Answer) Rejected() (items int, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rejected, strings.Join(a.messages, "; ")
}
