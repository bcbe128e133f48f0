package quota

import "time"

// Spent are the bytes that an account has used of its day.
type Spent struct {
	Scope   Scope  `json:"scope"`
	Tenant  string `json:"tenant,omitempty"`
	Service string `json:"service,omitempty"`
	Key     string `json:"key,omitempty"`
	Bytes   int64  `json:"bytes"`
}

// DayUse is the use of bytes_per_day by the accounts with that limit, for a file that outlives the process.
type DayUse struct {
	Day   int64   `json:"day"` // since 1970 UTC
	Spent []Spent `json:"spent"`
}

// Today returns the bytes used today. changed is false if none were used since the last call.
func (t *Table) Today(now time.Time) (d DayUse, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed, t.spent = t.spent, false
	if !changed {
		return d, false
	}
	d.Day = dayOf(now)
	for e := t.order.Back(); e != nil; e = e.Prev() {
		a := e.Value.(*account)
		if a.turn(now); a.daily && a.today > 0 {
			d.Spent = append(d.Spent, Spent{a.name.Scope, a.name.Tenant, a.name.Service, a.name.Key, a.today})
		}
	}
	return d, true
}

// Resume adds the bytes used before the process began. Bytes of another day are ignored.
func (t *Table) Resume(now time.Time, d DayUse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d.Day != dayOf(now) {
		return
	}
	for _, s := range d.Spent {
		a := t.accountLocked(now, Name{s.Scope, s.Tenant, s.Service, s.Key})
		a.turn(now)
		a.today, a.daily = a.today+max(0, s.Bytes), true
	}
}
