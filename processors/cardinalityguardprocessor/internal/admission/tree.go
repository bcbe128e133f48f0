package admission

import (
	"sync"
	"sync/atomic"
)

// Level is a level of the budget tree, and the reason why a new series is limited.
type Level uint8

// The levels, from the root down, and other reasons to limit a series.
const (
	None      Level = iota // admitted
	Total                  // limits.series
	Tenant                 // limits.series_per_tenant
	Service                // limits.series_per_service
	Metric                 // limits.series_per_metric
	Attribute              // limits.values_per_attribute
	Growing                // the metric is limited already, and the series has an attribute that makes it grow
	Denied                 // the attribute lists do not admit the series unchanged
	Names                  // too many metrics: limits.metrics
)

// String returns the level's name in counters.
func (l Level) String() string {
	return [...]string{"none", "total", "tenant", "service", "metric", "attribute", "growing", "denied", "metrics"}[l]
}

// Limits are the budgets of one metric, in active series; 0 means none.
type Limits struct {
	Total, Tenant, Service, Metric int64
	// Values is the budget of distinct values of one attribute.
	Values uint64
	// Extra is the caller's additional data.
	Extra any
}

// Counter is one budget of the tree.
type Counter struct {
	used   atomic.Int64
	warned atomic.Uint32 // window of the last warning, plus 1
	nodes  int           // nodes that count here; guarded by Tree.mu
}

// Used returns the number of active series.
func (c *Counter) Used() int64 { return c.used.Load() }

// take uses one place if fewer than limit are used (0: no limit).
func (c *Counter) take(limit int64) bool {
	if n := c.used.Add(1); limit > 0 && n > limit {
		c.used.Add(-1)
		return false
	}
	return true
}

// Node is one metric of one service of one tenant, where series are counted. Metrics with the same name but different types or units share
// one.
type Node struct {
	Tenant, Service, Metric string
	ID                      uint32 // below 2²⁴

	Series Counter
	// Seen is the clock's time of the last batch with this metric: the batch that sets it uses the node at least until then.
	Seen atomic.Int64

	tenant, service *Counter
	limits          atomic.Pointer[Limits]
	Growth          Growth
}

// Limits returns the budgets that hold for n.
func (n *Node) Limits() Limits { return *n.limits.Load() }

// TenantUsed and ServiceUsed return the active series of the levels above n.
func (n *Node) TenantUsed() int64 { return n.tenant.Used() }

// ServiceUsed returns the active series of n's service.
func (n *Node) ServiceUsed() int64 { return n.service.Used() }

// Tree holds the nodes. Reading it takes one shared lock per metric, none per point. A node costs about 400 bytes plus its names; [Growth]
// documents what a growing metric adds.
type Tree struct {
	total  Counter
	rules  func(tenant, service, metric string) Limits
	max    int
	warn   func(Warning)
	window atomic.Uint32

	mu       sync.RWMutex
	nodes    map[nodeName]*Node  // guarded by mu
	list     []*Node             // by ID; nil for a removed node; guarded by mu
	free     []uint32            // guarded by mu
	tenants  map[string]*Counter // guarded by mu
	services map[nodeName]*Counter
	names    Counter // the total's warnings
}

type nodeName struct{ tenant, service, metric string }

// Warning says that a budget is nearly used up.
type Warning struct {
	Level                              Level
	Tenant, Service, Metric, Attribute string // empty if the level is above it
	Used, Limit                        int64
	// Most is the metric with most of the series counted there; nil for Attribute and Names.
	Most *Node
}

// NewTree returns a tree of at most maxNodes metrics. limits returns the budgets of a metric. The tree calls warn, once per budget and
// window, when a budget is used to four fifths; warn must neither block nor call the tree.
func NewTree(maxNodes int, limits func(tenant, service, metric string) Limits, warn func(Warning)) *Tree {
	return &Tree{
		rules: limits, max: min(maxNodes, 1<<24-1), warn: warn,
		nodes: map[nodeName]*Node{}, tenants: map[string]*Counter{}, services: map[nodeName]*Counter{},
	}
}

// Node returns the node of a metric, and creates it if there is room; else nil.
func (t *Tree) Node(tenant, service, metric string) *Node {
	name := nodeName{tenant, service, metric}
	t.mu.RLock()
	n := t.nodes[name]
	t.mu.RUnlock()
	if n != nil {
		return n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n = t.nodes[name]; n != nil {
		return n
	}
	if len(t.nodes) >= t.max {
		return nil
	}
	id := uint32(len(t.list))
	if k := len(t.free); k > 0 {
		id, t.free = t.free[k-1], t.free[:k-1]
	} else {
		t.list = append(t.list, nil)
	}
	return t.insertLocked(name, id)
}

func (t *Tree) insertLocked(name nodeName, id uint32) *Node {
	n := &Node{
		Tenant: clone(name.tenant), Service: clone(name.service), Metric: clone(name.metric), ID: id,
		tenant: counter(t.tenants, clone(name.tenant)), service: counter(t.services, nodeName{clone(name.tenant), clone(name.service), ""}),
	}
	n.tenant.nodes++
	n.service.nodes++
	limits := t.rules(n.Tenant, n.Service, n.Metric)
	n.limits.Store(&limits)
	t.nodes[nodeName{n.Tenant, n.Service, n.Metric}] = n
	t.list[id] = n
	t.names.used.Store(int64(len(t.nodes)))
	if max := int64(t.max); t.near(&t.names, max) {
		t.warn(Warning{Level: Names, Used: t.names.Used(), Limit: max})
	}
	return n
}

// clone copies a name, which would otherwise keep its batch in memory.
func clone(s string) string { return string([]byte(s)) }

func counter[K comparable](m map[K]*Counter, k K) *Counter {
	c := m[k]
	if c == nil {
		c = &Counter{}
		m[k] = c
	}
	return c
}

// Take uses a place in every budget of n, or in none: then it returns the level that is full.
func (t *Tree) Take(n *Node) Level {
	l := n.limits.Load()
	if !n.Series.take(l.Metric) {
		return Metric
	}
	if !n.service.take(l.Service) {
		n.Series.used.Add(-1)
		return Service
	}
	if !n.tenant.take(l.Tenant) {
		n.Series.used.Add(-1)
		n.service.used.Add(-1)
		return Tenant
	}
	if !t.total.take(l.Total) {
		n.Series.used.Add(-1)
		n.service.used.Add(-1)
		n.tenant.used.Add(-1)
		return Total
	}
	if t.near(&t.total, l.Total) {
		t.warnMost(Warning{Level: Total, Used: t.TotalUsed(), Limit: l.Total})
	}
	if t.near(n.tenant, l.Tenant) {
		t.warnMost(Warning{Level: Tenant, Tenant: n.Tenant, Used: n.TenantUsed(), Limit: l.Tenant})
	}
	if t.near(n.service, l.Service) {
		t.warnMost(Warning{Level: Service, Tenant: n.Tenant, Service: n.Service, Used: n.ServiceUsed(), Limit: l.Service})
	}
	if t.near(&n.Series, l.Metric) {
		t.warn(Warning{Level: Metric, Tenant: n.Tenant, Service: n.Service, Metric: n.Metric, Used: n.Series.Used(), Limit: l.Metric, Most: n})
	}
	return None
}

// near warns, once per window, that a budget is used to four fifths.
func (t *Tree) near(c *Counter, limit int64) bool {
	if limit <= 0 || c.used.Load()*5 < limit*4 {
		return false
	}
	window := t.window.Load() + 1
	last := c.warned.Load()
	return last != window && c.warned.CompareAndSwap(last, window)
}

// warnMost warns about the budget of a tenant, of a service, or of all.
func (t *Tree) warnMost(w Warning) {
	t.Each(func(n *Node) {
		within := (w.Level < Tenant || n.Tenant == w.Tenant) && (w.Level < Service || n.Service == w.Service)
		if within && (w.Most == nil || n.Series.Used() > w.Most.Series.Used()) {
			w.Most = n
		}
	})
	t.warn(w)
}

// Values notes that an attribute of n has about so many distinct values, and warns as all budgets do.
func (t *Tree) Values(n *Node, attribute string, values uint64) {
	limit := n.Limits().Values
	if limit > 0 && values*5 >= limit*4 && n.Growth.mayWarn(attribute, t.window.Load()+1) {
		t.warn(Warning{
			Level: Attribute, Tenant: n.Tenant, Service: n.Service, Metric: n.Metric, Attribute: clone(attribute),
			Used: int64(values), Limit: int64(limit),
		})
	}
}

// Give frees the place of a removed series. id is that of a node with series.
func (t *Tree) Give(id uint32) {
	t.mu.RLock()
	n := t.list[id]
	t.mu.RUnlock()
	for _, c := range n.counters(t) {
		c.used.Add(-1)
	}
}

// TotalUsed returns the number of active series.
func (t *Tree) TotalUsed() int64 { return t.total.used.Load() }

// NextWindow starts the next window: every budget may warn again, values are counted from zero, and a verdict ends if every budget now has
// room for the series that were limited.
func (t *Tree) NextWindow() {
	t.window.Add(1)
	limited := map[*Counter]int64{}
	t.Each(func(n *Node) {
		if series := n.Growth.limitedSeries(); series > 0 {
			for _, c := range n.counters(t) {
				limited[c] += series
			}
		}
	})
	t.Each(func(n *Node) {
		l := n.Limits()
		fits := true
		for i, c := range n.counters(t) {
			limit := [...]int64{l.Metric, l.Service, l.Tenant, l.Total}[i]
			fits = fits && (limit == 0 || (c.Used()+limited[c])*4 <= limit*calm)
		}
		n.Growth.rotate(fits, l.Values)
	})
}

// counters returns the budgets of n, from the metric's upwards.
func (n *Node) counters(t *Tree) [4]*Counter {
	return [...]*Counter{&n.Series, n.service, n.tenant, &t.total}
}

// Refresh reads the limits of all nodes again, after the rules have changed.
func (t *Tree) Refresh() {
	t.Each(func(n *Node) {
		limits := t.rules(n.Tenant, n.Service, n.Metric)
		n.limits.Store(&limits)
	})
}

// Each calls f for every node, in the order of their ids. f must not call the tree.
func (t *Tree) Each(f func(*Node)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, n := range t.list {
		if n != nil {
			f(n)
		}
	}
}

// Get returns the node with this id, nil if there is none.
func (t *Tree) Get(id uint32) *Node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(id) >= len(t.list) {
		return nil
	}
	return t.list[id]
}

// Prune removes the nodes that hold no series and that idle also reports as unused, because a batch may still hold a node.
func (t *Tree) Prune(idle func(*Node) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, n := range t.list {
		if n == nil || n.Series.Used() > 0 || !idle(n) {
			continue
		}
		delete(t.nodes, nodeName{n.Tenant, n.Service, n.Metric})
		t.list[id] = nil
		t.free = append(t.free, uint32(id))
		if n.tenant.nodes--; n.tenant.nodes == 0 {
			delete(t.tenants, n.Tenant)
		}
		if n.service.nodes--; n.service.nodes == 0 {
			delete(t.services, nodeName{n.Tenant, n.Service, ""})
		}
	}
}
