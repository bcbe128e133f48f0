// Package handovertest has a pipeline that refuses records.
package handovertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Refusing is a consumer that stores logs, or refuses them with an error. It is safe for concurrent use.
type Refusing struct {
	consumertest.LogsSink
	mu    sync.Mutex
	err   error // guarded by mu
	tries int   // guarded by mu
}

// Refuse returns a consumer that refuses logs with err.
func Refuse(err error) *Refusing { return &Refusing{err: err} }

// Accept makes it store logs from now on.
func (r *Refusing) Accept() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = nil
}

// ConsumeLogs stores logs, or returns the error.
func (r *Refusing) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.err != nil {
		return r.err
	}
	return r.LogsSink.ConsumeLogs(ctx, logs)
}

// AwaitTries waits until logs were sent n times.
func (r *Refusing) AwaitTries(t testing.TB, n int) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		r.mu.Lock()
		defer r.mu.Unlock()
		assert.GreaterOrEqual(c, r.tries, n)
	}, time.Minute, time.Millisecond)
}
