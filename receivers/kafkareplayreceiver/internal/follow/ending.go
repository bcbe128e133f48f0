package follow

import (
	"sync"
	"time"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

const (
	// endAll is how long all followers of the process together may take to finish their ranges when the collector stops. The collector
	// stops them one after the other, and Kubernetes kills it 30 s after SIGTERM.
	endAll = 8 * time.Second
	// endLeast is the least time for each of them: a range that its sink accepts takes less.
	endLeast = 200 * time.Millisecond
)

// ending divides the time of a stop among followers. The zero value is ready. It is safe for concurrent use.
type ending struct {
	mu       sync.Mutex
	deadline time.Time // guarded by mu; zero: no follower has stopped since the last one started
}

// started notes that a follower was started, so that the next stop has its full time again.
func (e *ending) started() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deadline = time.Time{}
}

// grace returns how long a follower that is stopped at now may take: up to [worker.HandOver], and not beyond endAll from the first stop,
// but at least endLeast.
func (e *ending) grace(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.deadline.IsZero() {
		e.deadline = now.Add(endAll)
	}
	return max(endLeast, min(worker.HandOver, e.deadline.Sub(now)))
}
