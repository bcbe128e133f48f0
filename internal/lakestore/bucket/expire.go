package bucket

import (
	"context"
	"path"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// Drop implements lakestore.Store, object by object: meanwhile a reader can see a part of a directory.
func (b *Bucket) Drop(ctx context.Context, dir string) (files int, err error) {
	err = b.List(ctx, dir, func(f lakestore.File) error {
		if path.Dir(f.Path) != dir {
			return nil
		}
		files++
		return b.Remove(ctx, f.Path)
	})
	return files, err
}
