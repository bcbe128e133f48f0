package lakestore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// MaxDocument bounds a document: it is small, and read whole.
const MaxDocument = 1 << 20

// Documents implements Store.
func (d *Dir) Documents(_ context.Context, dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(filepath.Join(d.root, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &IOError{"list " + dir, err}
	}
	all := map[string][]byte{}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > MaxDocument {
			continue
		}
		content, err := os.ReadFile(filepath.Join(d.root, dir, entry.Name()))
		if err != nil {
			return nil, &IOError{"read " + entry.Name(), err}
		}
		all[entry.Name()] = content
	}
	return all, nil
}

// PutDocument implements Store.
func (d *Dir) PutDocument(ctx context.Context, dir, name string, content []byte) error {
	return d.Put(ctx, path.Join(dir, name), content)
}
