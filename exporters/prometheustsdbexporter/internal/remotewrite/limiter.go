package remotewrite

import (
	"context"
	"sync"
	"time"
)

// limiter bounds the requests in flight and adapts to the receiver: if it asks for a pause, fails or doesn't answer, the bound is halved;
// if it answers a whole round of requests, the bound grows by one, up to the original one.
type limiter struct {
	slots chan struct{} // one for each request that may start

	mu      sync.Mutex
	max     int
	limit   int       // guarded by mu, as all below
	owed    int       // slots that are discarded when they are returned
	good    int       // answers since limit changed
	lowered time.Time // requests that were started before no longer change the limit
}

func newLimiter(n int) *limiter {
	l := &limiter{slots: make(chan struct{}, n), max: n, limit: n}
	for range n {
		l.slots <- struct{}{}
	}
	return l
}

// acquire waits for a slot.
func (l *limiter) acquire(ctx context.Context) error {
	select {
	case <-l.slots:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release returns the slot that was acquired at began. ok: the receiver answered and didn't ask for a pause.
func (l *limiter) release(began time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !ok && began.After(l.lowered):
		half := max(l.limit/2, 1)
		l.owed += l.limit - half
		l.limit, l.good, l.lowered = half, 0, time.Now()
	case ok && l.limit < l.max:
		if l.good++; l.good >= l.limit {
			l.limit, l.good = l.limit+1, 0
			if l.owed > 0 {
				l.owed--
			} else {
				l.slots <- struct{}{}
			}
		}
	}
	if l.owed > 0 {
		l.owed--
	} else {
		l.slots <- struct{}{}
	}
}

// current is how many requests may be in flight now.
func (l *limiter) current() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit
}
