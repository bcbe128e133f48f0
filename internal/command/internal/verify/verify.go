// Package verify compares the items that the ledger of a collector counts as stored in an hour with the content of the stores, and says how to fill
// gaps.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/penstockhq/penstock/internal/ledger"
)

// Store is a store that can count its items.
type Store interface {
	// Name is the store's name in messages.
	Name() string
	// Held returns how many items of signal, with a time in the hour, it holds for tenants. shared: the store doesn't distinguish tenants, and the
	// only count, under "", is of all.
	Held(ctx context.Context, signal string, hour time.Time, tenants []string) (held map[string]int64, shared bool, err error)
	// Lists says whether Held returns all tenants, and not just those that were asked for.
	Lists() bool
}

// filler is a store that can determine the jobs that fill a gap. For other stores, which ignore repeated items, a job replays the whole hour.
type filler interface {
	fill(ctx context.Context, a *Answer, signal, tenant string, hour time.Time) (steps []string, err error)
}

// Settings of a comparison.
type Settings struct {
	Ledger *Ledger
	// Stores are the stores by their sink's name. Sinks without one are reported as not checked.
	Stores map[string]Store
	Hour   time.Time
	// Signal and Tenant restrict it; empty: all.
	Signal, Tenant string
}

// Result is the result of Run.
type Result struct {
	Compared, Gaps, Unknown int
}

// key identifies one count.
type key struct{ signal, sink string }

// Run compares one hour, and prints the differences.
func Run(ctx context.Context, out io.Writer, set Settings) (r Result, err error) {
	a, err := set.Ledger.Ask(ctx, set.Hour, set.Signal, set.Tenant)
	if err != nil {
		return r, err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	for _, m := range a.Missing {
		r.Unknown++
		say("the ledger does not know all of %s %s: %s", m.Signal, m.Sink, m.Why)
	}
	for _, w := range a.Unaccounted() {
		r.Gaps++
		say("%s", w)
	}
	wanted := a.byStore()
	for _, k := range slices.SortedFunc(maps.Keys(wanted), func(a, b key) int { return compare(a.signal+a.sink, b.signal+b.sink) }) {
		store := set.Stores[k.sink]
		if store == nil {
			r.Unknown++
			say("%s %s: not checked: name its address (see --help)", k.signal, k.sink)
			continue
		}
		if err := r.compare(ctx, say, set, a, k, store, wanted[k]); err != nil {
			r.Unknown++
			say("%s %s: %v", k.signal, k.sink, err)
		}
	}
	return r, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compare compares one store for all tenants of one signal.
func (r *Result) compare(ctx context.Context, say func(string, ...any), set Settings, a *Answer, k key, store Store, want map[string]part) error {
	tenants := slices.Sorted(maps.Keys(want))
	held, shared, err := store.Held(ctx, k.signal, set.Hour, tenants)
	if err != nil {
		return fmt.Errorf("%s can't be asked: %w", store.Name(), err)
	}
	if shared {
		if set.Tenant != "" {
			return errors.New(store.Name() + " does not tell tenants apart: leave out --tenant")
		}
		all := part{}
		for _, p := range want {
			all.stored += p.stored
			all.buffered += p.buffered
		}
		want, tenants = map[string]part{"": all}, []string{""}
	}
	together := false // the ledger counts several tenants as one, each partition others
	if _, together = want[ledger.OtherTenants]; together && !shared {
		if !store.Lists() {
			return fmt.Errorf("the ledger counts the tenants past %d in an hour together, and %s answers for single ones only", ledger.MaxTenants, store.Name())
		}
		all, have := part{}, int64(0)
		for _, p := range want {
			all.stored += p.stored
			all.buffered += p.buffered
		}
		for _, n := range held {
			have += n
		}
		want, held, tenants = map[string]part{"": all}, map[string]int64{"": have}, []string{""}
	}
	for _, tenant := range tenants {
		who := fmt.Sprintf("%s %s", k.signal, k.sink)
		if together && !shared {
			who += " of all tenants"
		}
		if tenant != "" {
			who += " of tenant " + tenant
		}
		p, have := want[tenant], held[tenant]
		r.Compared++
		switch {
		case have < p.stored:
			r.Gaps++
			say("%s: the ledger has stored %d, %s holds %d: %d are missing", who, p.stored, store.Name(), have, p.stored-have)
			steps := []string{fmt.Sprintf("the ledger counts the tenants past %d in an hour together, so it is not known whose items are missing", ledger.MaxTenants)}
			if !together || shared {
				if steps, err = fill(ctx, store, set.Ledger, a, k, tenant, set.Hour); err != nil {
					return err
				}
			}
			if shared && k.signal == "metrics" {
				say("  points without a value, which end a series, may be among them: the store has them, and no query counts them")
			}
			for _, s := range steps {
				say("  %s", s)
			}
		case have > p.stored:
			say("%s: the ledger has stored %d, %s holds %d: more than live delivery has stored (replays, late windows, other writers)", who, p.stored, store.Name(), have)
		default:
			say("%s: %d, as the ledger says", who, have)
		}
		if p.buffered > 0 {
			say("%s: %d more are on their way", who, p.buffered)
		}
	}
	return nil
}

// fill says how to fill a gap.
func fill(ctx context.Context, store Store, l *Ledger, a *Answer, k key, tenant string, hour time.Time) ([]string, error) {
	if f, ok := store.(filler); ok {
		return f.fill(ctx, a, k.signal, tenant, hour)
	}
	j := job{Signal: k.signal, By: "event", From: hour.Format(time.RFC3339), To: hour.Add(time.Hour).Format(time.RFC3339)}
	if tenant != "" {
		j.Tenants = []string{tenant}
	}
	return l.steps(ctx, a, k.signal, k.sink, j), nil
}
