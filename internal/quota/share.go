package quota

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// silence is for how many intervals a gateway may say nothing and still has its part of every quota.
const silence = 5

// forgetGateway is when a gateway that says nothing is forgotten: what it took yesterday counts for nobody.
const forgetGateway = 48 * time.Hour

// Usage is what a gateway publishes of one account.
type Usage struct {
	Name Name
	// Bytes and Items are what senders offer a second, at most the quota.
	Bytes, Items float64
	// Day counts days since 1970 UTC, and Today are the bytes that were taken in it.
	Day, Today int64
}

// sharing is what a table knows of the gateways that share its quotas. Everything in it was read from the topic, its own part too, so
// gateways that have read as far agree on their parts, and the parts add up to one.
type sharing struct {
	self     string
	interval time.Duration
	gateways map[string]*gateway
	living   int                   // gateways that count, this one included
	active   map[*account]struct{} // accounts whose usage may have changed since it was published
	gone     []Usage               // of accounts that were dropped after something of them was published
}

// gateway is a process that shares the quotas.
type gateway struct {
	heard time.Time // when a record of it was read last; zero: never, in this process
	alive bool
}

// sharedAccount is what an account has beside its buckets.
type sharedAccount struct {
	bytes, items demand
	limits       Limits // as they were last
	published    Usage
	by           []part // what the gateways have published, this one too; sorted by their names
}

// part is what one gateway published of an account.
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

// offer counts what a sender offers an account, whether it is taken or not.
func (s *sharing) offer(now time.Time, a *account, d *Demand) {
	sh := a.shared
	sh.limits = d.Limits
	sh.bytes.add(now, float64(d.Bytes))
	sh.items.add(now, float64(d.Items))
	s.active[a] = struct{}{}
}

// Publish returns what has changed of this gateway's usage since it was called last. Call it once an interval, write what it returns to all
// gateways, this one included, and give what they read to [Table.Learn] and [Table.Alive].
//
// Where senders stay, the parts of the gateways add up to the quota, and over any time W the accounts of all gateways together take at most
// rate × (W + burst), and one request a gateway that was larger than its bucket. Each time that a sender of an account moves to another
// gateway, or a gateway comes or goes, they may take rate × (interval + lag + burst) more, where lag is how long a record takes from one
// gateway to the others; and until the next interval a sender may get less than the quota has left, the n-th part of the rate among n
// gateways. Bytes of a day may be passed by what the other gateways take in an interval and a lag.
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

// offered is a rate as it is published: none where there is no quota to share, and never more than the quota, so that a sender who
// repeats what is refused gets no larger part.
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

// Alive notes that a gateway has published, this one included. Records that this gateway wrote before it was started again don't count.
func (t *Table) Alive(now time.Time, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sharing
	if s == nil {
		return
	}
	s.gateway(name).heard = now
	// Time is measured by this gateway's own records: while none of them comes back, none of the others' can be expected to, and the
	// parts stay as they are.
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

// Learn notes what a gateway has published of an account. What this gateway published before it was started again is what its day begins
// with.
func (t *Table) Learn(now time.Time, name string, u Usage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sharing
	if s == nil {
		return
	}
	if u.Bytes == 0 && u.Items == 0 && (u.Today == 0 || u.Day < dayOf(now)) && t.byName[u.Name] == nil {
		return // nothing that counts, of an account that nobody here knows
	}
	a := t.accountLocked(now, u.Name)
	g := s.gateway(name)
	if name == s.self && g.heard.IsZero() {
		a.turn(now)
		if u.Day == a.day {
			a.today = max(a.today, u.Today)
		}
		a.shared.published = u
		s.active[a] = struct{}{} // the others are to be told that nothing is offered any more
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

// drop notes that an account is forgotten.
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

// shareLocked is this gateway's part of an account's quotas, of bytes and of items. A gateway that has published nothing of an account
// takes the n-th part of it.
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

// elsewhere are the bytes that other gateways took of the account in its day.
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
