// Package usage adds up who uses how much, within a bound: what comes in by tenant, service and signal, queries by tenant and store, active
// series by tenant and service.
package usage

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/access"
)

// Other stands for services, and tenants, that a meter has no room for.
const Other = "(other)"

// Key is what is told apart.
type Key struct {
	Tenant  string
	Service string // service.name; empty where there is none, and for queries
	Signal  string // for queries the store that is asked
}

// Sum is how much was taken: items are data points, log records or spans, bytes those of the records in the journal before compression, or
// of the request in OTLP where there is no journal.
type Sum struct{ Items, Bytes int64 }

// Plus returns both together.
func (s Sum) Plus(o Sum) Sum { return Sum{s.Items + o.Items, s.Bytes + o.Bytes} }

// Queries is how often a store was asked, and how long its queries ran.
type Queries struct {
	Number int64
	Time   time.Duration
}

// Plus returns both together.
func (q Queries) Plus(o Queries) Queries { return Queries{q.Number + o.Number, q.Time + o.Time} }

// Series is how many series are active, and what drives their growth.
type Series struct {
	Active int64
	Driver Driver
}

// Driver is an attribute of a metric, with about so many distinct values.
type Driver struct {
	Metric    string
	Attribute string // empty where no metric has so many series that its attributes are watched
	Values    uint64
	Series    int64 // of the metric
}

// Plus returns both together, with the driver that has more values, and of those with as many the one with more series.
func (s Series) Plus(o Series) Series {
	s.Active += o.Active
	if o.Driver.Values > s.Driver.Values || o.Driver.Values == s.Driver.Values && o.Driver.Series > s.Driver.Series {
		s.Driver = o.Driver
	}
	return s
}

// Source calls each with the active series of every tenant and service, any number of times for one: they add up. Nothing else may be
// expected of the order.
type Source func(each func(tenant, service string, s Series))

// Sink takes what was used. A ledger extension is one. It is safe for concurrent use.
type Sink interface {
	// Use adds what was taken.
	Use(k Key, s Sum)
	// Query adds queries of a tenant, which is empty for an operator's, to a store.
	Query(tenant, store string, q Queries)
	// Watch asks a source for series, whenever somebody wants to know them, until remove is called.
	Watch(s Source) (remove func())
}

// Find returns the host's sink; without one, a Sink that keeps nothing.
func Find(host component.Host) Sink {
	for _, e := range host.GetExtensions() {
		if s, ok := e.(Sink); ok {
			return s
		}
	}
	return nobody{}
}

// Queried tells s that a query of ctx's client had its place in store for as long as took.
func Queried(ctx context.Context, s Sink, store string, took time.Duration) {
	one, _ := access.Of(ctx).Tenant()
	s.Query(one, store, Queries{Number: 1, Time: took})
}

type nobody struct{}

func (nobody) Use(Key, Sum)                  {}
func (nobody) Query(string, string, Queries) {}
func (nobody) Watch(Source) func()           { return func() {} }

// Meter adds up. It holds at most twice max keys, of about 200 bytes: past max a new service is Other of its tenant, and past twice that
// its tenant is Other as well, so sums over all keys are exact. It is safe for concurrent use.
type Meter[S interface{ Plus(S) S }] struct {
	max  int
	mu   sync.Mutex
	sums map[Key]*S // guarded by mu
}

// NewMeter returns an empty meter.
func NewMeter[S interface{ Plus(S) S }](max int) *Meter[S] {
	return &Meter[S]{max: max, sums: map[Key]*S{}}
}

// Use adds s.
func (m *Meter[S]) Use(k Key, s S) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.sums[k]
	if sum == nil {
		sum = m.newLocked(k)
	}
	*sum = (*sum).Plus(s)
}

func (m *Meter[S]) newLocked(k Key) *S {
	if len(m.sums) >= m.max {
		k.Service = Other
	}
	if m.sums[k] == nil && len(m.sums) >= 2*m.max-1 {
		k = Key{Other, Other, ""}
	}
	if m.sums[k] == nil {
		k.Tenant, k.Service = strings.Clone(k.Tenant), strings.Clone(k.Service) // They would keep the batch that they came with in memory.
		m.sums[k] = new(S)
	}
	return m.sums[k]
}

// Each calls f with every key and its sum, in no order.
func (m *Meter[S]) Each(f func(Key, S)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, s := range m.sums {
		f(k, *s)
	}
}
