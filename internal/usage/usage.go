// Package usage adds up usage, within a bound: intake by tenant, service and signal, queries by tenant and store, active series by tenant and
// service.
package usage

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/access"
)

// Other represents services and tenants beyond a meter's bound.
const Other = "(other)"

// Key identifies a counter.
type Key struct {
	Tenant  string
	Service string // service.name; empty if there is none, and for queries
	Signal  string // for queries the queried store
}

// Sum is a sum of intake: items are data points, log records or spans; bytes are those of the records in the journal before compression, or,
// without a journal, of the request in OTLP.
type Sum struct{ Items, Bytes int64 }

// Plus returns the sum of both.
func (s Sum) Plus(o Sum) Sum { return Sum{s.Items + o.Items, s.Bytes + o.Bytes} }

// Queries is the number of a store's queries, and how long they ran.
type Queries struct {
	Number int64
	Time   time.Duration
}

// Plus returns the sum of both.
func (q Queries) Plus(o Queries) Queries { return Queries{q.Number + o.Number, q.Time + o.Time} }

// Series is the number of active series, and the cause of their growth.
type Series struct {
	Active int64
	Driver Driver
}

// Driver is an attribute of a metric, with an approximate number of distinct values.
type Driver struct {
	Metric    string
	Attribute string // empty if no metric has enough series for its attributes to be watched
	Values    uint64
	Series    int64 // of the metric
}

// Plus returns the sum of both, with the driver that has more values, or if equal, more series.
func (s Series) Plus(o Series) Series {
	s.Active += o.Active
	if o.Driver.Values > s.Driver.Values || o.Driver.Values == s.Driver.Values && o.Driver.Series > s.Driver.Series {
		s.Driver = o.Driver
	}
	return s
}

// Source calls each with the active series of every tenant and service, possibly several times for one: these add up. The order is not defined.
type Source func(each func(tenant, service string, s Series))

// Sink collects usage. A ledger extension is one. It is safe for concurrent use.
type Sink interface {
	// Use adds intake.
	Use(k Key, s Sum)
	// Query adds queries of a tenant, which is empty for an operator's, to a store.
	Query(tenant, store string, q Queries)
	// Watch registers a source of series, which is read on demand, until remove is called.
	Watch(s Source) (remove func())
}

// Find returns the host's sink; without one, a Sink that discards everything.
func Find(host component.Host) Sink {
	for _, e := range host.GetExtensions() {
		if s, ok := e.(Sink); ok {
			return s
		}
	}
	return nobody{}
}

// Queried reports to s that a query of ctx's client held its slot in store for as long as took.
func Queried(ctx context.Context, s Sink, store string, took time.Duration) {
	one, _ := access.Of(ctx).Tenant()
	s.Query(one, store, Queries{Number: 1, Time: took})
}

type nobody struct{}

func (nobody) Use(Key, Sum)                  {}
func (nobody) Query(string, string, Queries) {}
func (nobody) Watch(Source) func()           { return func() {} }

// Meter adds up. It holds at most twice max keys, of about 200 bytes: past max a new service is Other of its tenant, and past twice that its tenant
// is Other too, so sums over all keys are exact. It is safe for concurrent use.
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
		k.Tenant, k.Service = strings.Clone(k.Tenant), strings.Clone(k.Service) // Without a copy, they would keep their batch in memory.
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
