// Package condition reports the status of a component that can be unhealthy for several reasons at once.
package condition

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// Set holds the reasons why a component is unhealthy, each under its own key. While there is one, the component's status is a recoverable error
// with all reasons, in the order of their keys; without one it is OK. The zero value reports nothing. It is safe for concurrent use.
type Set struct {
	host component.Host

	mu      sync.Mutex
	reasons map[string]string // guarded by mu
}

// New returns an empty Set that reports to host.
func New(host component.Host) *Set { return &Set{host: host} }

// Bad adds a reason. It reports only changes.
func (s *Set) Bad(key, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reasons == nil {
		s.reasons = map[string]string{}
	}
	if s.reasons[key] == reason {
		return
	}
	s.reasons[key] = reason
	s.reportLocked()
}

// Good removes a reason. It reports only changes.
func (s *Set) Good(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.reasons[key]; ok {
		delete(s.reasons, key)
		s.reportLocked()
	}
}

func (s *Set) reportLocked() {
	if s.host == nil {
		return
	}
	if len(s.reasons) == 0 {
		componentstatus.ReportStatus(s.host, componentstatus.NewEvent(componentstatus.StatusOK))
		return
	}
	var all error
	for _, key := range slices.Sorted(maps.Keys(s.reasons)) {
		all = errors.Join(all, errors.New(s.reasons[key]))
	}
	componentstatus.ReportStatus(s.host, componentstatus.NewRecoverableErrorEvent(all))
}

// Report reports the present status: OK without a reason.
func (s *Set) Report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reportLocked()
}
