// Package usage adds up who sends how much, within a bound: by tenant, service and signal.
package usage

import (
	"sync"

	"go.opentelemetry.io/collector/component"
)

// Other stands for services, and tenants, that a meter has no room for.
const Other = "(other)"

// Key is what is told apart.
type Key struct {
	Tenant  string
	Service string // service.name; empty where a signal's records do not tell (traces)
	Signal  string
}

// Sum is how much was taken: items are data points, log records or spans, bytes those of the records in the journal before compression.
type Sum struct{ Items, Bytes int64 }

// Sink takes what was used. A ledger extension is one.
type Sink interface{ Use(k Key, s Sum) }

// Find returns the host's sink; without one, a Sink that keeps nothing.
func Find(host component.Host) Sink {
	for _, e := range host.GetExtensions() {
		if s, ok := e.(Sink); ok {
			return s
		}
	}
	return nobody{}
}

type nobody struct{}

func (nobody) Use(Key, Sum) {}

// Meter adds up. It holds at most twice max keys, of about 200 bytes: past max a new service is Other of its tenant, and past twice that
// its tenant is Other as well, so sums over all keys are exact. It is safe for concurrent use.
type Meter struct {
	max  int
	mu   sync.Mutex
	sums map[Key]*Sum // guarded by mu
}

// NewMeter returns an empty meter.
func NewMeter(max int) *Meter { return &Meter{max: max, sums: map[Key]*Sum{}} }

// Use adds s.
func (m *Meter) Use(k Key, s Sum) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.sums[k]
	if sum == nil {
		sum = m.newLocked(k)
	}
	sum.Items += s.Items
	sum.Bytes += s.Bytes
}

func (m *Meter) newLocked(k Key) *Sum {
	if len(m.sums) >= m.max {
		k.Service = Other
	}
	if m.sums[k] == nil && len(m.sums) >= 2*m.max-1 {
		k = Key{Other, Other, ""}
	}
	if m.sums[k] == nil {
		m.sums[k] = &Sum{}
	}
	return m.sums[k]
}

// Each calls f with every key and its sum, in no order.
func (m *Meter) Each(f func(Key, Sum)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, s := range m.sums {
		f(k, *s)
	}
}
