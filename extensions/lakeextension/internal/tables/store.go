// Package tables makes Iceberg tables of what lies in a lake, and goes on doing so: one for each signal.
package tables

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// Metadata keeps the metadata of tables in a lake.
func Metadata(s lakestore.Store) iceberg.Store { return metadata{s} }

type metadata struct{ lakestore.Store }

var _ iceberg.Store = metadata{}

// List implements iceberg.Store.
func (m metadata) List(ctx context.Context, dir string, each func(iceberg.Object)) error {
	return m.Store.List(ctx, dir, func(f lakestore.File) error {
		each(iceberg.Object{Name: f.Path, Bytes: f.Bytes})
		return nil
	})
}

// Read implements iceberg.Store.
func (m metadata) Read(ctx context.Context, name string) ([]byte, error) {
	r, err := m.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return content, err
}

// Create implements iceberg.Store.
func (m metadata) Create(ctx context.Context, name string, content []byte) error {
	made, err := m.Store.Create(ctx, name, content)
	if err == nil && !made {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	return err
}
