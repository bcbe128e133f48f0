package apikeyauthextension

import (
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	window       = time.Minute
	maxFailures  = 30   // of one address in a window; further ones are throttled
	maxAddresses = 1024 // remembered, about 150 bytes each
	others       = "other addresses"
)

// failures counts the refusals of each address. It logs refused addresses, one line per window for each, and throttles addresses with too many
// refusals. It remembers at most maxAddresses; further ones count as one address. A valid key is admitted from any address, however many wrong ones
// came from there, because clients share proxies.
type failures struct {
	log *zap.Logger
	mu  sync.Mutex
	by  map[string]*failing // guarded by mu
}

type failing struct {
	began time.Time // of the window
	n     int       // refusals in it
	since int       // refusals since the last line in the log
}

func newFailures(log *zap.Logger) *failures {
	return &failures{log: log, by: map[string]*failing{}}
}

// add records a refusal. throttled: the address has exceeded its number, so the answer must not contain information about the key.
func (f *failures) add(address, reason string, now time.Time) (throttled bool) {
	address = network(address)
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.ofLocked(address, now)
	if one == nil {
		address = others
		if one = f.by[others]; one == nil {
			one = &failing{}
			f.by[others] = one
		}
	}
	one.since++
	if now.Sub(one.began) >= window {
		one.began, one.n = now, 0
		f.log.Warn("A client was refused", zap.String("address", address), zap.String("reason", reason), zap.Int("refusals", one.since))
		one.since = 0
	}
	one.n++
	return one.n > maxFailures
}

// ofLocked returns the entry of the address; nil: the table is full.
func (f *failures) ofLocked(address string, now time.Time) *failing {
	if one, ok := f.by[address]; ok {
		return one
	}
	if len(f.by) >= maxAddresses {
		for a, old := range f.by {
			if now.Sub(old.began) >= window {
				delete(f.by, a)
			}
		}
	}
	if len(f.by) >= maxAddresses {
		return nil
	}
	one := &failing{}
	f.by[address] = one
	return one
}

// network is the address, or for IPv6 the /64, which one customer has.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
