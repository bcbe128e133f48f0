package keeper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// clean says, by names alone, that all changes of a partition are done and nothing has come since: the usual case, without a request.
func (p *partition) clean() bool {
	if len(p.staged) > 0 {
		return false
	}
	if p.last == 0 {
		return true
	}
	_, _, merged := parse(p.files[0])
	return merged && len(p.files) == 1
}

// work brings a partition up to date.
func (k *Keeper) work(ctx context.Context, p *partition, now time.Time) error {
	age := now.Sub(p.Hour.Add(time.Hour))
	classes := k.set.Retention.classes(p.signal, p.Tenant)
	var changes []lakestore.Change
	if !p.clean() {
		var err error
		if changes, err = k.resolve(ctx, p); err != nil {
			return err
		}
		if changes, err = k.settle(ctx, p, changes, now); err != nil {
			return err
		}
	}
	if p.Undated() {
		return k.workUndated(ctx, p, classes, changes, now)
	}
	names, whole := dropped(classes, age)
	if whole {
		return k.drop(ctx, p, p.files, now)
	}
	if len(names) > 0 {
		if changes == nil && p.last > 0 {
			var err error
			if changes, err = k.load(ctx, p); err != nil {
				return err
			}
		}
		if err := k.strip(ctx, p, classes, names, age, changes, now); err != nil {
			return err
		}
	}
	if !k.closed(p, now) {
		return nil
	}
	for range len(p.files) { // each merge leaves one file fewer
		group := k.set.Plan(k.mergeable(p.files), now)
		level := k.set.Level
		if k.set.RecompressLevel > 0 && age >= k.set.RecompressAfter {
			level = k.set.RecompressLevel
			if group == nil {
				group = k.recompressible(p.files)
			}
		}
		if group == nil {
			return nil
		}
		if err := k.merge(ctx, p, group, mergeSettings{level: level, reason: "merge", now: now}); err != nil {
			return err
		}
	}
	return nil
}

// recompressible returns a file that was not written with the level for old ones.
func (k *Keeper) recompressible(files []lakestore.File) []lakestore.File {
	for _, f := range k.mergeable(files) {
		if _, level, merged := parse(f); !merged || level < k.set.RecompressLevel {
			return []lakestore.File{f}
		}
	}
	return nil
}

// mergeable leaves out the files that are damaged, or of another shape.
func (k *Keeper) mergeable(files []lakestore.File) []lakestore.File {
	return slices.DeleteFunc(slices.Clone(files), func(f lakestore.File) bool { return k.bad[f.Path] != "" })
}

// load reads the changes of a partition, in their order.
func (k *Keeper) load(ctx context.Context, p *partition) (all []lakestore.Change, err error) {
	for n := 1; n <= p.last; n++ {
		at := lakestore.ChangePath(p.dir, n)
		c, known := k.changes[at]
		if !known {
			if c, err = k.read(ctx, at); err != nil {
				return nil, err
			}
			if len(k.changes) >= maxCached {
				clear(k.changes)
			}
			k.changes[at] = c
		}
		all = append(all, c)
	}
	return all, nil
}

func (k *Keeper) read(ctx context.Context, at string) (lakestore.Change, error) {
	c, err := lakestore.ReadChange(ctx, k.store, at)
	var storage *lakestore.IOError
	if err != nil && !errors.As(err, &storage) {
		err = &failure{"damaged", err}
	}
	return c, err
}

// resolve makes visible what committed changes add. After it each change is complete, as far as p.files tells, or void: the worker that made it was taken for dead,
// and what it had written was removed before it committed. A void change has no effect.
func (k *Keeper) resolve(ctx context.Context, p *partition) ([]lakestore.Change, error) {
	changes, err := k.load(ctx, p)
	if err != nil {
		return nil, err
	}
	there, removed := map[string]bool{}, map[string]bool{}
	for _, f := range p.files {
		there[f.Path] = true
	}
	for _, c := range changes {
		for _, f := range c.Remove {
			removed[f.Path] = true
		}
	}
	moved := false
	for _, c := range changes {
		for _, f := range c.Add {
			if there[f.Path] || removed[f.Path] { // by a later change, so it has been there
				continue
			}
			if err := k.held(); err != nil {
				return nil, err
			}
			err := k.store.Move(ctx, lakestore.StagedPath(f.Path), f.Path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			moved = true
		}
	}
	if moved {
		err = k.relist(ctx, p)
	}
	return changes, errors.Join(err, k.tidy(ctx, p))
}

// tidy removes staged files that no change will make visible: one of this epoch is being written by nobody, since one goroutine works at a time, and the worker of an
// older one has lost its lease. If that one wakes up and commits nevertheless, its change is void.
func (k *Keeper) tidy(ctx context.Context, p *partition) error {
	for _, f := range p.staged {
		if err := k.held(); err != nil {
			return err
		}
		if err := k.store.Remove(ctx, f.Path); err != nil {
			return err
		}
	}
	p.staged = nil
	return nil
}

// settle completes what is left of changes: tables take them over, and the files that they remove go. It leaves the live files in p.files.
func (k *Keeper) settle(ctx context.Context, p *partition, changes []lakestore.Change, now time.Time) ([]lakestore.Change, error) {
	live, dead := lakestore.Live(p.files, changes)
	// A merged file is as old as the youngest row that it has.
	for i, f := range live {
		for _, c := range changes {
			for _, a := range c.Add {
				if a.Path == f.Path {
					live[i].Modified = a.Modified
				}
			}
		}
	}
	p.files = live
	by := map[string]lakestore.Change{}
	for _, c := range changes {
		for _, f := range c.Remove {
			by[f.Path] = c // the last one that removes it: a file that was removed, and came again
		}
	}
	orphans := 0
	var later error
	for _, f := range dead {
		c := by[f.Path]
		if now.Sub(c.Committed) < k.set.Overlap {
			continue
		}
		if err := k.apply(ctx, c); err != nil {
			later = errors.Join(later, err)
			continue
		}
		if err := k.held(); err != nil {
			return nil, err
		}
		if err := k.store.Remove(ctx, f.Path); err != nil {
			return nil, err
		}
		if f.Modified.After(c.Committed) {
			orphans++
		}
	}
	if orphans > 0 {
		k.events.Orphans(p.signal, orphans)
	}
	return changes, later
}

// apply tells tables of a change.
func (k *Keeper) apply(ctx context.Context, c lakestore.Change) error {
	if k.applied[c.ID()] {
		return nil
	}
	for _, t := range k.tables {
		if err := t.Apply(ctx, c); err != nil {
			return &failure{"table", fmt.Errorf("change %s: %w", c.ID(), err)}
		}
	}
	if len(k.applied) >= maxCached {
		clear(k.applied)
	}
	k.applied[c.ID()] = true
	return nil
}

// drop removes files of a partition: all of them, or some of the undated one. It is a change without new files: from its commit on nobody reads or lists the files,
// whoever removes them, and when. Tables forget them next.
func (k *Keeper) drop(ctx context.Context, p *partition, files []lakestore.File, now time.Time) error {
	if len(files) == 0 {
		return nil
	}
	c := lakestore.Change{Partition: p.dir, Sequence: p.last + 1, Epoch: k.epoch(), Reason: "retention", Remove: files}
	if len(files) < len(p.files) {
		if err := k.commit(ctx, p, c, now); err != nil {
			return err
		}
		k.events.Expired(p.signal, len(files))
		return nil
	}
	made, err := k.dropOf(ctx, p)
	if err == nil && made != nil {
		c = *made
	} else if err == nil {
		c, err = k.record(ctx, p, c, now)
	}
	if err != nil {
		return err
	}
	if err := k.apply(ctx, c); err != nil {
		return err
	}
	if err := k.held(); err != nil {
		return err
	}
	n, err := k.store.Drop(ctx, p.dir)
	if n > 0 {
		k.events.Expired(p.signal, n)
	}
	if err != nil {
		return err
	}
	p.files = nil
	return k.forget(ctx, p)
}

// dropOf returns the last change of a partition if it drops all files: an earlier pass has made it, and could not complete it. nil: it does not.
func (k *Keeper) dropOf(ctx context.Context, p *partition) (*lakestore.Change, error) {
	if p.last == 0 {
		return nil, nil
	}
	c, err := k.read(ctx, lakestore.ChangePath(p.dir, p.last))
	var storage *lakestore.IOError
	if errors.As(err, &storage) {
		return nil, err
	}
	removes := func(f lakestore.File) bool {
		return slices.ContainsFunc(c.Remove, func(r lakestore.File) bool { return r.Path == f.Path })
	}
	if err != nil || len(c.Add) > 0 || slices.ContainsFunc(p.files, func(f lakestore.File) bool { return !removes(f) }) {
		return nil, nil // a damaged one, too, is no drop that is known
	}
	return &c, nil
}

// forget removes the changes of a partition that has no file any more, from the last one on: those that a crash leaves have no gaps.
func (k *Keeper) forget(ctx context.Context, p *partition) error {
	for n := p.last; n > 0; n-- {
		if err := k.held(); err != nil {
			return err
		}
		at := lakestore.ChangePath(p.dir, n)
		if err := k.store.Remove(ctx, at); err != nil {
			return err
		}
		delete(k.changes, at)
	}
	return nil
}

// workUndated keeps rows without a time as long after they were written, and merges them by the day of that.
func (k *Keeper) workUndated(ctx context.Context, p *partition, classes []class, changes []lakestore.Change, now time.Time) error {
	if changes == nil && p.last > 0 {
		var err error
		if changes, err = k.load(ctx, p); err != nil {
			return err
		}
		if _, err := k.settle(ctx, p, changes, now); err != nil {
			return err
		}
	}
	var old []lakestore.File
	for _, f := range p.files {
		// Those of a day go together: each change of this partition stays.
		if _, whole := dropped(classes, now.Sub(f.Modified.Truncate(24*time.Hour).Add(24*time.Hour))); whole {
			old = append(old, f)
		}
	}
	if err := k.drop(ctx, p, old, now); err != nil {
		return err
	}
	days := map[string][]lakestore.File{}
	for _, f := range k.mergeable(p.files) {
		if now.Sub(f.Modified.Truncate(24*time.Hour).Add(24*time.Hour)) >= k.set.Delay {
			day := path.Join(f.Modified.UTC().Format(time.DateOnly))
			days[day] = append(days[day], f)
		}
	}
	for _, files := range days {
		if group := k.set.Plan(files, now); group != nil {
			if err := k.merge(ctx, p, group, mergeSettings{level: k.set.Level, reason: "merge", now: now}); err != nil {
				return err
			}
		}
	}
	return nil
}
