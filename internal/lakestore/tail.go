package lakestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// Tail implements Store.
func (d *Dir) Tail(_ context.Context, path string, n int64) ([]byte, error) {
	f, err := os.Open(filepath.Join(d.root, filepath.FromSlash(path)))
	if err != nil {
		return nil, &IOError{"open " + path, err}
	}
	info, err := f.Stat()
	if err != nil {
		return nil, &IOError{"open " + path, errors.Join(err, f.Close())}
	}
	tail := make([]byte, min(n, info.Size()))
	_, err = f.ReadAt(tail, info.Size()-int64(len(tail)))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, &IOError{"read " + path, err}
	}
	return tail, nil
}
