package embeddedlogsextension

import (
	"sync"
	"time"
)

// arrivalAge is for how long the newest record of a partition tells how far its delivery is. A partition without records is not behind.
const arrivalAge = 5 * time.Second

// deliveryBegins is how long after a start delivery may take to begin. Where no record comes by then, none is waited for.
const deliveryBegins = 30 * time.Second

// arrivals say how far delivery is behind what came into the journal. The zero value is ready; it holds one entry for each log of the journal.
type arrivals struct {
	mu    sync.Mutex
	all   map[string]arrival // guarded by mu
	first chan struct{}      // guarded by mu; closed when something came; nil: nobody waits
}

// begun is closed when a record has come.
func (a *arrivals) begun() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.first == nil {
		a.first = make(chan struct{})
		if len(a.all) > 0 {
			close(a.first)
		}
	}
	return a.first
}

// arrival is the newest record of a log: when the journal got it, and when it was added here.
type arrival struct{ received, added time.Time }

// came says that a record was added. Jobs bring old records: only what is newer than all before counts.
func (a *arrivals) came(log string, received, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[string]arrival{}
	}
	if len(a.all) == 0 && a.first != nil {
		close(a.first)
	}
	if last, ok := a.all[log]; !ok || received.After(last.received) {
		a.all[log] = arrival{received, now}
	}
}

// behind returns by how much the slowest partition lags that is being delivered.
func (a *arrivals) behind(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	most := time.Duration(0)
	for _, one := range a.all {
		if now.Sub(one.added) < arrivalAge {
			most = max(most, one.added.Sub(one.received))
		}
	}
	return most
}
