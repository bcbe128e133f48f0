package delivery

import (
	"cmp"
	"slices"
	"sync"
)

// Unit is what a [Refusal] counts.
type Unit uint8

// The units.
const (
	// UnitItem is a data point, a log record or a span.
	UnitItem Unit = iota
	// UnitRecord is a record of the journal: one request of a client.
	UnitRecord
)

// maxRefusals bounds the kinds of refusals that an Outcome tells apart.
const maxRefusals = 256

// Refusal is how many items or records of a batch a component took and does not pass on or store, and why. Nobody sends them to it again.
type Refusal struct {
	// By is the component's id.
	By string
	// Reason is one of the component's enumerated reasons, as in its counter. It takes no text from data.
	Reason string
	Unit   Unit
	Count  int64
}

// Outcome collects what components refuse of a delivery. It counts only if the delivery is a success: after an error the batch comes again, with
// an Outcome of its own. The zero value is empty and ready; a nil one takes everything and keeps nothing. It is safe for concurrent use and
// holds at most 256 kinds of refusals, some 64 bytes each; what comes beyond has the reason "other".
type Outcome struct {
	mu  sync.Mutex
	all []Refusal // guarded by mu; a kind once
}

// Refuse notes that component by does not pass on or store n items or records for this reason.
func (o *Outcome) Refuse(by, reason string, n int64, unit Unit) {
	if o == nil || n <= 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.addLocked(Refusal{By: by, Reason: reason, Unit: unit, Count: n})
}

func (o *Outcome) addLocked(r Refusal) {
	for i := range o.all {
		if have := &o.all[i]; have.By == r.By && have.Reason == r.Reason && have.Unit == r.Unit {
			have.Count += r.Count
			return
		}
	}
	if len(o.all) >= maxRefusals && r.By != "" {
		r.By, r.Reason = "", "other"
		o.addLocked(r)
		return
	}
	o.all = append(o.all, r)
}

// Add adds what other has. It is not to be called with o itself.
func (o *Outcome) Add(other *Outcome) {
	for _, r := range other.Refusals() {
		o.Refuse(r.By, r.Reason, r.Count, r.Unit)
	}
}

// Refused returns how many of unit were refused so far. Where several components refuse the same one, it counts as often.
func (o *Outcome) Refused(unit Unit) (n int64) {
	if o == nil {
		return 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.all {
		if r.Unit == unit {
			n += r.Count
		}
	}
	return n
}

// Refusals returns all refusals so far, by component, reason and unit.
func (o *Outcome) Refusals() []Refusal {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	all := slices.Clone(o.all)
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Unit, b.Unit))
	})
	return all
}
