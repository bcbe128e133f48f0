package tables

import (
	"context"
	"fmt"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// Apply makes the table have what a change of a partition has made of it, in one commit, and lets it go of all that the change removes: these files can be
// deleted afterwards. It can be repeated, also after later changes.
func (f *Follower) Apply(ctx context.Context, c lakestore.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	hour := hourOfDir(c.Partition)
	if len(c.Add) == 0 {
		return f.drop(ctx, c, hour)
	}
	r := Report{Refused: map[string]error{}}
	err := f.attempt(ctx, &r, func(b *batch) error {
		var files []lakestore.File
		err := f.store.List(ctx, c.Partition, func(file lakestore.File) error {
			files = append(files, file)
			return nil
		})
		if err != nil {
			return err
		}
		return f.bring(ctx, []string{c.Partition}, files, hours{hour, hour, c.Partition}, map[string]*lakestore.Change{}, b)
	})
	if err != nil {
		return err
	}
	for name, why := range r.Refused { // its rows would be lost to readers of the table
		return fmt.Errorf("%s: %w", name, why)
	}
	return f.without(ctx, c, hour)
}

// without makes sure that the table has nothing of what a change removes.
func (f *Follower) without(ctx context.Context, c lakestore.Change, hour int32) error {
	removed := map[string]bool{}
	for _, file := range c.Remove {
		removed[file.Path] = true
	}
	v, err := f.load(ctx)
	if err != nil {
		return err
	}
	left := ""
	err = f.table.Files(ctx, v, hour, hour, func(k iceberg.Known) {
		if removed[k.Name] {
			left = k.Name
		}
	})
	if err == nil && left != "" {
		err = fmt.Errorf("the table still has %s, because the change %s is not complete", left, c.ID())
	}
	return err
}

// drop lets the table go of files that retention removes next.
func (f *Follower) drop(ctx context.Context, c lakestore.Change, hour int32) error {
	change := iceberg.Change{}
	for _, file := range c.Remove {
		change.Remove = append(change.Remove, iceberg.Removal{Name: file.Path, Hour: hour})
	}
	r := Report{Refused: map[string]error{}}
	return f.attempt(ctx, &r, func(b *batch) error { return b.make(ctx, change) })
}
