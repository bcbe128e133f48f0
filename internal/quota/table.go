package quota

import (
	"container/list"
	"sync"
	"time"
)

// Demand is a request's demand on one account.
type Demand struct {
	Name   Name
	Limits Limits
	Bytes  int64
	Items  int64
	// Taken are bytes that the same request has taken before, if its length was not known at the beginning.
	Taken int64

	account *account // the result of the last look-up by Name; guarded by the table's lock
}

// Table holds accounts, up to a maximum: a new account replaces the least recently used one. An account that was idle for its burst and has no debt
// equals a new one, so forgetting it changes only its bytes of the day. Safe for concurrent use. About 500 bytes per account and the texts of its
// name; with sharing 250 bytes more, and 72 for each gateway that has published its usage.
type Table struct {
	mu      sync.Mutex
	max     int
	order   *list.List // of *account, the most recently used first; guarded by mu
	byName  map[Name]*list.Element
	evicted int64    // guarded by mu
	spent   bool     // bytes of a day with a limit were taken since Today; guarded by mu
	sharing *sharing // nil: this table has the whole quota; guarded by mu
}

// NewTable returns a table of at most max accounts, at least one. It does not share.
func NewTable(max int) *Table {
	if max < 1 {
		max = 1
	}
	return &Table{max: max, order: list.New(), byName: map[Name]*list.Element{}}
}

// Len is how many accounts there are.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.order.Len()
}

// Evicted is how many accounts were replaced while they had a debt or an empty bucket, or had used bytes of the day.
func (t *Table) Evicted() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.evicted
}

// Take charges a request to all accounts, or returns why it can't pass now: of several reasons, the one that lasts longest. Demands that are
// reused, with other numbers, find their accounts faster.
func (t *Table) Take(now time.Time, demands ...Demand) *Refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	var refused *Refusal
	for i := range demands {
		d := &demands[i]
		if !d.Limits.Limited() {
			continue
		}
		a := t.demandedLocked(now, d)
		bytes, items := t.fillLocked(now, a, &d.Limits)
		if t.sharing != nil {
			t.sharing.offer(now, a, d)
		}
		if r := a.check(now, d, bytes, items); r != nil && (refused == nil || r.Wait > refused.Wait) {
			refused = r
		}
	}
	if refused != nil {
		return refused
	}
	for i := range demands {
		if d := &demands[i]; d.Limits.Limited() {
			d.account.use(d, 1)
			t.spent = t.spent || d.account.daily && d.Bytes > 0
		}
	}
	return nil
}

// Return refunds a request that was not stored.
func (t *Table) Return(now time.Time, demands ...Demand) { t.change(now, -1, demands) }

// AddDebt charges usage that became known only after a request was accepted. It may leave a debt.
func (t *Table) AddDebt(now time.Time, demands ...Demand) { t.change(now, 1, demands) }

func (t *Table) change(now time.Time, sign int64, demands []Demand) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range demands {
		d := &demands[i]
		if !d.Limits.Limited() {
			continue
		}
		a := t.demandedLocked(now, d)
		t.fillLocked(now, a, &d.Limits)
		a.use(d, sign)
		t.spent = t.spent || a.daily && d.Bytes > 0
		t.fillLocked(now, a, &d.Limits) // no bucket holds more than its size
	}
}

// use takes a demand from the account, or refunds it with the sign -1.
func (a *account) use(d *Demand, sign int64) {
	a.bytes.level -= float64(sign * d.Bytes)
	a.items.level -= float64(sign * d.Items)
	a.today = max(0, a.today+sign*d.Bytes)
}

// fillLocked updates an account to the present time, and returns this table's rates of bytes and items.
func (t *Table) fillLocked(now time.Time, a *account, l *Limits) (bytes, items float64) {
	a.turn(now)
	a.daily = l.BytesPerDay > 0
	bytes, items = t.shareLocked(a)
	bytes, items = bytes*float64(l.BytesPerSecond), items*float64(l.ItemsPerSecond)
	a.bytes.fill(now, bytes, bytes*l.burst())
	a.items.fill(now, items, items*l.burst())
	return bytes, items
}

// check returns why a demand can't pass now, at these rates.
func (a *account) check(now time.Time, d *Demand, bytes, items float64) (refused *Refusal) {
	longest := func(reason Reason, limit int64, wait time.Duration) {
		if wait > 0 && (refused == nil || wait > refused.Wait) {
			refused = &Refusal{Scope: d.Name.Scope, Reason: reason, Limit: limit, Wait: wait}
		}
	}
	if l := d.Limits.BytesPerSecond; l > 0 && d.Bytes > 0 {
		longest(Bytes, l, seconds(a.bytes.lacks(float64(d.Bytes), float64(d.Taken), bytes, bytes*d.Limits.burst())))
	}
	if l := d.Limits.ItemsPerSecond; l > 0 { // a debt of items is known before the request's items are
		longest(Items, l, seconds(a.items.lacks(float64(d.Items), 0, items, items*d.Limits.burst())))
	}
	if l := d.Limits.BytesPerDay; l > 0 && d.Bytes > 0 {
		if used := a.today + a.elsewhere(); used > d.Taken && used+d.Bytes > l {
			longest(Day, l, untilTomorrow(now))
		}
	}
	return refused
}

func seconds(s float64) time.Duration {
	const longest = 365 * 24 * 3600
	return time.Duration(min(s, longest) * float64(time.Second))
}

// demandedLocked returns the account of a demand, and creates it if there is none.
func (t *Table) demandedLocked(now time.Time, d *Demand) *account {
	if a := d.account; a != nil && a.place != nil {
		t.order.MoveToFront(a.place)
		return a
	}
	d.account = t.accountLocked(now, d.Name)
	return d.account
}

// accountLocked returns the account of a name, and creates it if there is none.
func (t *Table) accountLocked(now time.Time, name Name) *account {
	if e, ok := t.byName[name]; ok {
		t.order.MoveToFront(e)
		return e.Value.(*account)
	}
	for t.order.Len() >= t.max {
		t.dropLocked(now, t.order.Back())
	}
	a := &account{name: name, day: dayOf(now)}
	if t.sharing != nil {
		a.shared = &sharedAccount{}
	}
	a.place = t.order.PushFront(a)
	t.byName[name] = a.place
	return a
}

func (t *Table) dropLocked(now time.Time, e *list.Element) {
	a := t.order.Remove(e).(*account)
	a.place = nil
	delete(t.byName, a.name)
	if t.sharing != nil {
		t.sharing.drop(a)
	}
	if a.day == dayOf(now) && a.today > 0 || a.bytes.level < 0 || a.items.level < 0 {
		t.evicted++
	}
}
