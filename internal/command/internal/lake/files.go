package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// Files are the finished files of a lake. Paths are below its root, with slashes.
type Files interface {
	// Each calls visit for every file below dir, and for none if dir does not exist.
	Each(ctx context.Context, dir string, visit func(name string) error) error
	// Rows returns the number of rows of a file. A missing one has been merged, and has none. An error about its content wraps ErrDamaged.
	Rows(ctx context.Context, name string) (int64, error)
	// Changes reads the changes that compaction has made to the partitions below dir, each in order.
	Changes(ctx context.Context, dir string) ([]lakestore.Change, error)
}

// ErrDamaged is wrapped by errors about the content of a file.
var ErrDamaged = errors.New("it is damaged")

// countRows reads a footer.
func countRows(r io.ReaderAt, size int64) (rows int64, err error) {
	w := &watched{ReaderAt: r}
	defer func() {
		if r := recover(); r != nil { // an invalid length in the file
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	f, err := file.NewParquetReader(io.NewSectionReader(w, 0, size))
	switch {
	case err == nil:
		return f.NumRows(), f.Close()
	case w.err != nil:
		return 0, w.err
	}
	return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
}

// watched keeps the storage's error, whatever a decoder makes of it.
type watched struct {
	io.ReaderAt
	err error
}

func (w *watched) ReadAt(p []byte, at int64) (int, error) {
	n, err := w.ReaderAt.ReadAt(p, at)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// Dir is a lake in a directory. Reading it leaves no trace there.
type Dir string

// Each implements Files.
func (d Dir) Each(_ context.Context, dir string, visit func(string) error) error {
	err := filepath.WalkDir(filepath.Join(string(d), filepath.FromSlash(dir)), func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(p, extension) {
			return err
		}
		below, err := filepath.Rel(string(d), p)
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(below))
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// Rows implements Files.
func (d Dir) Rows(_ context.Context, name string) (int64, error) {
	f, err := os.Open(filepath.Join(string(d), filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return countRows(f, info.Size())
}

// Changes implements Files.
func (d Dir) Changes(_ context.Context, dir string) (all []lakestore.Change, err error) {
	err = filepath.WalkDir(filepath.Join(string(d), lakestore.ChangesDir, filepath.FromSlash(dir)), func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		var c lakestore.Change
		if err := json.Unmarshal(content, &c); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		all = append(all, c)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return all, err
}

// Objects is a lake in an object store. It fetches whole files to count their rows.
type Objects struct{ lakestore.Store }

// Each implements Files.
func (o Objects) Each(ctx context.Context, dir string, visit func(string) error) error {
	return o.List(ctx, dir, func(f lakestore.File) error {
		if !strings.HasSuffix(f.Path, extension) {
			return nil
		}
		return visit(f.Path)
	})
}

// Changes implements Files.
func (o Objects) Changes(ctx context.Context, dir string) (all []lakestore.Change, err error) {
	var paths []string
	err = o.List(ctx, path.Join(lakestore.ChangesDir, dir), func(f lakestore.File) error {
		paths = append(paths, f.Path)
		return nil
	})
	for _, at := range paths {
		if err != nil {
			return nil, err
		}
		var c lakestore.Change
		if c, err = lakestore.ReadChange(ctx, o.Store, at); errors.Is(err, fs.ErrNotExist) {
			err = nil
			continue
		}
		all = append(all, c)
	}
	return all, err
}

// Rows implements Files.
func (o Objects) Rows(ctx context.Context, name string) (int64, error) {
	f, err := o.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	return countRows(f, f.Size())
}
