package delivery

import (
	"cmp"
	"slices"
	"sync"

	"github.com/penstockhq/penstock/internal/ledger"
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

// maxRefusals bounds the distinct kinds of refusals in an Outcome.
const maxRefusals = 256

// Refusal is the number of items or records of a batch that a component accepted but does not pass on or store, and the reason. They are
// not sent to it again.
type Refusal struct {
	// By is the component's id.
	By string
	// Reason is one of the component's enumerated reasons, as in its counter. It contains no text from the data.
	Reason string
	Unit   Unit
	Count  int64
}

// Outcome collects the results of a delivery: the items that components refuse, fold and take. It counts only if the delivery succeeds:
// after an error the batch is delivered again, with another Outcome. The zero value is empty and ready; a nil one accepts calls and stores
// nothing. It is safe for concurrent use and holds at most 256 kinds of refusals of some 64 bytes each; further kinds get the reason
// "other".
//
// These are the entries of the ledger. Each component makes its entries in one place: a processor reports the items that it refuses and
// folds, a sink the items that it takes.
type Outcome struct {
	mu     sync.Mutex
	all    []Refusal // guarded by mu; a kind once
	folded []tally   // guarded by mu; a component once
	taken  []tally   // guarded by mu; a component once
}

// tally is how many items a component has counted.
type tally struct {
	by string
	n  int64
}

// Fold notes that component by has added n items to results of its own, which it sends later and reports as created.
func (o *Outcome) Fold(by string, n int64) {
	if o == nil || n <= 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.folded = add(o.folded, by, n)
}

// Take notes that sink by has processed n items of the batch: those that it does not refuse or fold are stored. A sink that calls Take for
// every batch (with 0 for an empty one) counts for itself. n may be negative, to correct too high a count of a part. Without such a sink
// all items that no component refuses or folds count as stored.
func (o *Outcome) Take(by string, n int64) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken = add(o.taken, by, n)
}

func add(all []tally, by string, n int64) []tally {
	for i := range all {
		if all[i].by == by {
			all[i].n += n
			return all
		}
	}
	return append(all, tally{by, n})
}

// counts reports whether a sink has called Take.
func (o *Outcome) counts() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.taken) > 0
}

// fates returns the results of a batch of so many items. inferred: no sink counts for itself. A sink that splits items can refuse more
// parts than it took items; then it has dropped as many as it took.
func (o *Outcome) fates(items int64, inferred bool) (f ledger.Fates) {
	refusals := o.Refusals()
	o.mu.Lock()
	defer o.mu.Unlock()
	left := map[string]int64{} // items that each sink took
	for _, t := range o.taken {
		left[t.by] = t.n
	}
	lose := func(by string, n int64) int64 {
		have, sink := left[by]
		if sink {
			n = min(n, have)
			left[by] = have - n
		}
		return n
	}
	for _, t := range o.folded {
		f.Folded += lose(t.by, t.n)
	}
	for _, r := range refusals {
		if r.Unit != UnitItem {
			continue
		}
		if n := lose(r.By, r.Count); n > 0 {
			f.Dropped = append(f.Dropped, ledger.Drop{Reason: r.Reason, Items: n})
			items -= n
		}
	}
	for _, n := range left {
		f.Stored += n
	}
	if inferred {
		f.Stored = max(0, items-f.Folded)
	}
	return f
}

// Refuse notes that component by does not pass on or store n items or records, and the reason.
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

// Add adds the entries of other, which must not be o itself.
func (o *Outcome) Add(other *Outcome) {
	for _, r := range other.Refusals() {
		o.Refuse(r.By, r.Reason, r.Count, r.Unit)
	}
}

// Refused returns how many of unit were refused so far. An item that several components refuse counts as often.
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
