package quota

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// silence is for how many intervals a silent gateway keeps its share of every quota.
const silence = 5

// forgetGateway is when a silent gateway is forgotten, with its bytes of yesterday.
const forgetGateway = 48 * time.Hour

// Usage is a gateway's published usage of one account.
type Usage struct {
	Name Name
	// Bytes and Items are the rates that senders offer per second, at most the quota.
	Bytes, Items float64
	// Day counts days since 1970 UTC, and Today are the bytes used in it.
	Day, Today int64
}

// sharing is the state of the gateways that share a table's quotas. All of it was read from the topic, including this gateway's own share, so
// gateways that have read equally far agree on their shares, and the shares add up to one.
type sharing struct {
	self     string
	interval time.Duration
	gateways map[string]*gateway
	living   int                   // gateways that count, this one included
	active   map[*account]struct{} // accounts whose usage may have changed since it was published
	gone     []Usage               // accounts that were dropped after their usage was published
}

// gateway is a process that shares the quotas.
type gateway struct {
	heard time.Time // when this process last read one of its records; zero: never
	alive bool
}

// sharedAccount is the shared state of an account.
type sharedAccount struct {
	bytes, items demand
	limits       Limits // their latest values
	published    Usage
	by           []part // the published usage of all gateways, this one included; sorted by name
}

// part is one gateway's published usage of an account.
type part struct {
	gateway    string
	of         *gateway
	own        bool
	bytes      float64
	items      float64
	day, today int64
}

// NewSharedTable returns a table for the gateway called self. Each gateway publishes once an interval.
func NewSharedTable(max int, self string, interval time.Duration) *Table {
	t := NewTable(max)
	t.sharing = &sharing{self: self, interval: interval, gateways: map[string]*gateway{}, living: 1, active: map[*account]struct{}{}}
	return t
}

// offer counts the bytes and items that a sender offers an account, accepted or not.
func (s *sharing) offer(now time.Time, a *account, d *Demand) {
	sh := a.shared
	sh.limits = d.Limits
	sh.bytes.add(now, float64(d.Bytes))
	sh.items.add(now, float64(d.Items))
	s.active[a] = struct{}{}
}

// Publish returns the changes of this gateway's usage since the last call. Call it once an interval, write its result to all gateways, including
// this one, and pass the records that they read to [Table.Learn] and [Table.Alive].
//
// While senders keep to their gateways, the shares add up to the quota, and over any time W the accounts of all gateways together take at most rate
// × (W + burst), plus one request larger than its bucket per gateway. Each time that a sender of an account moves to another gateway, or a gateway
// starts or stops, they may take rate × (interval + lag + burst) more, where lag is how long a record takes from one gateway to the others; and
// until the next interval a sender may get less than the remaining quota: the n-th part of the rate among n gateways. Bytes of a day may be
// exceeded by the intake of the other gateways in an interval and a lag.
func (t *Table) Publish(now time.Time) []Usage {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sharing == nil {
		return nil
	}
	out := t.sharing.gone
	t.sharing.gone = nil
	for a := range t.sharing.active {
		sh := a.shared
		a.turn(now)
		sh.bytes.decay(now)
		sh.items.decay(now)
		u := Usage{Name: a.name, Bytes: offered(sh.bytes.rate, sh.limits.BytesPerSecond), Items: offered(sh.items.rate, sh.limits.ItemsPerSecond), Day: a.day}
		if sh.limits.BytesPerDay > 0 {
			u.Today = a.today
		}
		if u.Bytes == 0 && u.Items == 0 {
			delete(t.sharing.active, a)
		}
		if near(u.Bytes, sh.published.Bytes) && near(u.Items, sh.published.Items) && u.Today == sh.published.Today && (u.Today == 0 || u.Day == sh.published.Day) {
			continue
		}
		sh.published = u
		out = append(out, u)
	}
	return out
}

// offered is a rate in its published form: zero without a quota to share, and never more than the quota, so that a sender that retries refused
// requests gets no larger share.
func offered(rate float64, limit int64) float64 {
	if limit <= 0 || rate < forgotten {
		return 0
	}
	return min(rate, float64(limit))
}

// near says whether a rate need not be published again.
func near(a, b float64) bool {
	const tolerance = 0.05
	return a == b || a != 0 && b != 0 && math.Abs(a-b) <= tolerance*max(a, b)
}

// Alive records that a gateway has published, this one included. Records that this gateway wrote before its restart don't count.
func (t *Table) Alive(now time.Time, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sharing
	if s == nil {
		return
	}
	s.gateway(name).heard = now
	// Time is measured by this gateway's own records: while none of them returns, none of the others' can be expected to, and the shares stay
	// unchanged.
	until := s.gateway(s.self).heard
	s.living = 0
	for name, g := range s.gateways {
		g.alive = !until.IsZero() && !g.heard.Before(until.Add(-silence*s.interval))
		if g.alive {
			s.living++
		} else if name != s.self && now.Sub(g.heard) > forgetGateway {
			delete(s.gateways, name)
		}
	}
	s.living = max(1, s.living)
}

func (s *sharing) gateway(name string) *gateway {
	g, ok := s.gateways[name]
	if !ok {
		g = &gateway{}
		s.gateways[name] = g
	}
	return g
}

// Learn records a gateway's published usage of an account. The usage that this gateway published before its restart is the start of its day.
func (t *Table) Learn(now time.Time, name string, u Usage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sharing
	if s == nil {
		return
	}
	if u.Bytes == 0 && u.Items == 0 && (u.Today == 0 || u.Day < dayOf(now)) && t.byName[u.Name] == nil {
		return // no usage, of an account that is unknown here
	}
	a := t.accountLocked(now, u.Name)
	g := s.gateway(name)
	if name == s.self && g.heard.IsZero() {
		a.turn(now)
		if u.Day == a.day {
			a.today = max(a.today, u.Today)
		}
		a.shared.published = u
		s.active[a] = struct{}{} // the other gateways must learn that nothing is offered any more
		return
	}
	at, found := slices.BinarySearchFunc(a.shared.by, name, func(p part, name string) int { return cmp.Compare(p.gateway, name) })
	if !found {
		a.shared.by = slices.DeleteFunc(a.shared.by, func(p part) bool { return !p.of.alive && p.day < a.day })
		at, _ = slices.BinarySearchFunc(a.shared.by, name, func(p part, name string) int { return cmp.Compare(p.gateway, name) })
		a.shared.by = slices.Insert(a.shared.by, at, part{gateway: name, own: name == s.self})
	}
	p := &a.shared.by[at]
	p.of, p.bytes, p.items, p.day, p.today = g, u.Bytes, u.Items, u.Day, u.Today
}

// drop records that an account is forgotten.
func (s *sharing) drop(a *account) {
	delete(s.active, a)
	if p := a.shared.published; p.Bytes > 0 || p.Items > 0 {
		s.gone = append(s.gone, Usage{Name: a.name, Day: p.Day, Today: p.Today})
	}
}

// Gateways is how many gateways share the quotas, this one included.
func (t *Table) Gateways() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sharing == nil {
		return 1
	}
	return t.sharing.living
}

// shareLocked is this gateway's share of an account's quotas, of bytes and of items. A gateway that has published nothing of an account gets the
// n-th part.
func (t *Table) shareLocked(a *account) (bytes, items float64) {
	s := t.sharing
	if s == nil {
		return 1, 1
	}
	n := s.living
	if n == 1 {
		return 1, 1
	}
	var own, sum part
	for i := range a.shared.by {
		p := &a.shared.by[i]
		if !p.of.alive {
			continue
		}
		sum.bytes += p.bytes
		sum.items += p.items
		if p.own {
			own = *p
		}
	}
	return share(own.bytes, sum.bytes, n), share(own.items, sum.items, n)
}

func share(own, sum float64, n int) float64 {
	if own <= 0 {
		return 1 / float64(n)
	}
	return own / sum
}

// elsewhere are the bytes that other gateways accepted of the account in its day.
func (a *account) elsewhere() (bytes int64) {
	if a.shared == nil {
		return 0
	}
	for i := range a.shared.by {
		if p := &a.shared.by[i]; !p.own && p.day == a.day {
			bytes += p.today
		}
	}
	return bytes
}
