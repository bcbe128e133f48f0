package apikeyauthextension

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	quiet        = time.Minute // between two lines about one address
	maxAddresses = 1024        // that are remembered, about 100 bytes each
)

// failures says in the log which addresses are refused: one line a minute for each, and for at most maxAddresses; the counter has them
// all. A right key is admitted from any address, however many wrong ones came from there: they share proxies.
type failures struct {
	log *zap.Logger
	mu  sync.Mutex
	by  map[string]*failing // guarded by mu
}

type failing struct {
	said  time.Time
	since int // refusals since then
}

func newFailures(log *zap.Logger) *failures {
	return &failures{log: log, by: map[string]*failing{}}
}

func (f *failures) add(address, reason string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one, ok := f.by[address]
	if !ok {
		if len(f.by) >= maxAddresses {
			for a, old := range f.by {
				if now.Sub(old.said) >= quiet {
					delete(f.by, a)
				}
			}
		}
		if len(f.by) >= maxAddresses {
			return
		}
		one = &failing{}
		f.by[address] = one
	}
	one.since++
	if now.Sub(one.said) < quiet {
		return
	}
	f.log.Warn("A client was refused", zap.String("address", address), zap.String("reason", reason), zap.Int("refusals", one.since))
	one.said, one.since = now, 0
}
