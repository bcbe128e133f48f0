// Package repair checks the stores below a data directory while no other process has them open, and repairs them. It knows no store: each kind of
// store provides a [Check].
package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Check checks the stores of one kind.
type Check struct {
	// Name is the kind of store, in the words of the documentation.
	Name string
	// Open takes the locks of the stores of this kind, so that no process opens them before Close. An error that wraps [ErrInUse] says which
	// process has one open. Stores is nil if there are none.
	Open func(ctx context.Context) (Stores, error)
}

// Stores are the stores of one kind, locked.
type Stores interface {
	// Find reads them, changes nothing, and returns how many it read and the findings.
	Find(ctx context.Context) (checked int, found []Finding, err error)
	// Close releases the locks.
	Close() error
}

// Finding is one damage.
type Finding struct {
	// Path is the file.
	Path string
	// Damage describes the damage, and nothing else.
	Damage string
	// Lost describes what the damaged place may have held.
	Lost string
	// Action describes what Repair does, as an order: "rename it to ...".
	Action string
	// Follows describes the consequence, and the remaining work.
	Follows string
	// Repair executes Action, and returns what was done, with names. nil: nothing can be done here.
	Repair func(ctx context.Context) (done string, err error)
}

// ErrInUse is wrapped by Open's errors about a store that a process has open.
var ErrInUse = errors.New("in use")

// Result counts what [Run] found.
type Result struct{ Checked, Found, Repaired int }

// Left is the number of unrepaired findings.
func (r Result) Left() int { return r.Found - r.Repaired }

// Run opens the stores of all checks, then prints the findings to w and, with apply, repairs them. It holds all locks until it returns. An error
// says that a check failed; findings are not errors.
func Run(ctx context.Context, w io.Writer, checks []Check, apply bool) (result Result, err error) {
	opened := make([]Stores, len(checks))
	defer func() {
		for _, stores := range opened {
			if stores != nil {
				err = errors.Join(err, stores.Close())
			}
		}
	}()
	for i, check := range checks {
		stores, err := check.Open(ctx)
		if errors.Is(err, ErrInUse) {
			return Result{}, fmt.Errorf("%s: %w; stop that process first", check.Name, err)
		} else if err != nil {
			return Result{}, fmt.Errorf("%s: %w", check.Name, err)
		}
		opened[i] = stores
	}
	var failed error
	for i, check := range checks {
		if opened[i] == nil {
			continue
		}
		checked, found, err := opened[i].Find(ctx)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", check.Name, err))
		}
		result.Checked += checked
		result.Found += len(found)
		_, _ = fmt.Fprintf(w, "%s: %d checked, %d damaged\n", check.Name, checked, len(found))
		for _, f := range found {
			repaired, err := report(ctx, w, f, apply)
			failed = errors.Join(failed, err)
			if repaired {
				result.Repaired++
			}
		}
	}
	return result, failed
}

// report prints a finding and, with apply, repairs it.
func report(ctx context.Context, w io.Writer, f Finding, apply bool) (repaired bool, err error) {
	line := func(name, text string) {
		if text != "" {
			_, _ = fmt.Fprintf(w, "  %-13s %s\n", name+":", text)
		}
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", f.Path)
	line("damage", f.Damage)
	line("may be lost", f.Lost)
	switch {
	case f.Repair == nil:
		line("to do", f.Follows)
	case !apply:
		line("would", f.Action)
		line("then", f.Follows)
	default:
		done, err := f.Repair(ctx)
		if err != nil {
			line("failed", err.Error())
			return false, fmt.Errorf("%s: %w", f.Path, err)
		}
		line("done", done)
		line("then", f.Follows)
		repaired = true
	}
	_, _ = fmt.Fprintln(w)
	return repaired, nil
}
