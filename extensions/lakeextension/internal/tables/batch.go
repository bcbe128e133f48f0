package tables

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/footer"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// footersAtOnce is how many files are read at the same time: object stores answer late.
const footersAtOnce = 8

// batch collects changes of partitions and commits them. A snapshot says of all that it does whether rows came, were rewritten or went; so the three are
// commits of their own. A compaction is one commit.
type batch struct {
	f *Follower
	r *Report
	// v is the version that the next commit follows. It was loaded before anything was listed, and a commit that another gateway's has come before fails: so a
	// commit never brings files back that a compaction has taken out of the table since, and may have deleted.
	v *iceberg.Version

	appended, merged, expired iceberg.Change
	prints                    map[string]uint64 // of partitions that are in step after the commit
}

// add compares what lies in a partition with what the table has.
func (b *batch) add(ctx context.Context, p *partition, has map[string]iceberg.Known, seen map[string]*lakestore.Change, print uint64) error {
	live, byChange, dropped, err := b.f.live(ctx, p, seen)
	if err != nil {
		return err
	}
	want := map[string]bool{}
	var files []lakestore.File
	for _, file := range live {
		want[file.Path] = true
		k, there := has[file.Path]
		refused, known := b.f.refused[file.Path]
		if there && k.Bytes == file.Bytes || known && refused == file.Bytes {
			continue
		}
		files = append(files, file)
	}
	read, err := b.read(ctx, files, p.hour)
	if err != nil {
		return err
	}
	for _, d := range read {
		if byChange[d.Name] {
			b.merged.Add = append(b.merged.Add, d)
		} else {
			b.appended.Add = append(b.appended.Add, d)
		}
	}
	for name := range has {
		switch {
		case want[name]:
		case dropped[name]:
			b.expired.Remove = append(b.expired.Remove, iceberg.Removal{Name: name, Hour: p.hour})
		case byChange[name]:
			b.merged.Remove = append(b.merged.Remove, iceberg.Removal{Name: name, Hour: p.hour})
		default:
			gone, err := b.f.gone(ctx, name)
			if err != nil {
				return err
			}
			if gone {
				b.expired.Remove = append(b.expired.Remove, iceberg.Removal{Name: name, Hour: p.hour})
			}
		}
	}
	if b.prints == nil {
		b.prints = map[string]uint64{}
	}
	b.prints[p.dir] = print
	if len(b.appended.Add)+len(b.merged.Add)+len(b.merged.Remove)+len(b.expired.Remove) >= maxFiles {
		return b.commit(ctx)
	}
	return nil
}

// read reads the footers of files. Damaged ones are refused, and those that are gone meanwhile are left out.
func (b *batch) read(ctx context.Context, files []lakestore.File, hour int32) ([]iceberg.File, error) {
	read := make([]iceberg.File, len(files))
	failed := make([]error, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(footersAtOnce)
	for i, file := range files {
		g.Go(func() error {
			d, err := b.f.dataFile(ctx, file, hour)
			switch {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, footer.ErrDamaged), errors.Is(err, footer.ErrType):
				failed[i] = err
			case err != nil:
				return err
			}
			read[i] = d
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, err := range failed {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.f.refuse(files[i].Path, files[i].Bytes, err, b.r)
		}
	}
	i := -1
	return slices.DeleteFunc(read, func(iceberg.File) bool { i++; return failed[i] != nil }), nil
}

// commit makes the changes that were collected.
func (b *batch) commit(ctx context.Context) error {
	var names []string
	for _, d := range b.appended.Add {
		names = append(names, d.Name)
	}
	b.appended.Summary = map[string]string{rangeProperty: ranges(names)}
	b.merged.Replace = true
	for _, c := range []iceberg.Change{b.appended, b.merged, b.expired} {
		if len(c.Add)+len(c.Remove) == 0 {
			continue
		}
		if err := b.make(ctx, c); err != nil {
			return err
		}
	}
	for dir, print := range b.prints {
		if print == 0 {
			delete(b.f.inStep, dir)
		} else {
			b.f.inStep[dir] = print
		}
	}
	*b = batch{f: b.f, r: b.r, v: b.v}
	return nil
}

// make makes one commit. After iceberg.ErrLost all has to be looked at again.
func (b *batch) make(ctx context.Context, c iceberg.Change) error {
	next, result, err := b.f.table.Commit(ctx, b.v, c)
	b.r.Collected += result.Collected
	b.r.NotCollected = errors.Join(b.r.NotCollected, result.NotCollected)
	if err != nil {
		return err
	}
	if next.N != b.v.N {
		b.r.Commits++
	}
	b.r.Added += result.Added
	b.r.Removed += result.Removed
	b.v, b.f.version = next, next.N
	for name, err := range result.Refused {
		size := int64(0)
		for _, d := range c.Add {
			if d.Name == name {
				size = d.Bytes
			}
		}
		b.f.refuse(name, size, err, b.r)
	}
	return nil
}
