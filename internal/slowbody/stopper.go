package slowbody

import (
	"net/http"
	"sync"
	"time"
)

// Stopper lets another goroutine end the reading of a request's body, and only that: once the body has arrived, a deadline would cancel the
// request, because Go's server continues to read after it. It is safe for concurrent use.
type Stopper struct {
	control *http.ResponseController
	mu      sync.Mutex
	arrived bool // guarded by mu
}

// NewStopper returns the stopper of the request that w answers.
func NewStopper(w http.ResponseWriter) *Stopper {
	return &Stopper{control: http.NewResponseController(w)}
}

// Stop makes the reading of the body fail with os.ErrDeadlineExceeded, unless the body has arrived or w has no deadlines.
func (s *Stopper) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.arrived {
		_ = s.control.SetReadDeadline(time.Unix(1, 0))
	}
}

// Arrived says that the body is not read any more. It returns true on the first call.
func (s *Stopper) Arrived() (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, s.arrived = !s.arrived, true
	return first
}
