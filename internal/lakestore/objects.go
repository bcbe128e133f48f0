package lakestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// List implements Store.
func (d *Dir) List(ctx context.Context, dir string, each func(File) error) error {
	var failed error
	err := filepath.WalkDir(filepath.Join(d.root, filepath.FromSlash(dir)), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return ignoreNotExist(err)
		}
		if entry.IsDir() {
			return ctx.Err()
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			return ignoreNotExist(err)
		}
		below, err := filepath.Rel(d.root, path)
		if err != nil {
			return err
		}
		failed = each(File{Path: filepath.ToSlash(below), Bytes: info.Size(), Modified: info.ModTime()})
		return failed
	})
	if failed != nil {
		return failed
	}
	return wrap("list "+dir, err)
}

// opened is a file of a Dir. Its content stays readable when the file is replaced or removed.
type opened struct {
	*os.File
	size int64
}

func (o opened) Size() int64 { return o.size }

// Open implements Store.
func (d *Dir) Open(_ context.Context, path string) (Reader, error) {
	f, err := os.Open(filepath.Join(d.root, filepath.FromSlash(path)))
	if err != nil {
		return nil, &IOError{"open " + path, err}
	}
	info, err := f.Stat()
	if err != nil {
		return nil, &IOError{"open " + path, errors.Join(err, f.Close())}
	}
	return opened{f, info.Size()}, nil
}

// Create implements Store: a complete and durable file gets its name by a hard link, which fails if the name exists.
func (d *Dir) Create(_ context.Context, path string, content []byte) (made bool, err error) {
	to := filepath.Join(d.root, filepath.FromSlash(path))
	tmp, err := d.temporary(content)
	if err != nil {
		return false, &IOError{"create " + path, err}
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := d.makeDurable(filepath.Dir(to)); err != nil {
		return false, err
	}
	err = d.link(tmp, to)
	switch {
	case errors.Is(err, fs.ErrExist):
		there, err := os.ReadFile(to)
		return err == nil && bytes.Equal(there, content), wrap("read "+path, err)
	case errors.Is(err, fs.ErrNotExist):
		d.forget() // the directory was removed
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EPERM): // FAT, and what network and user space file systems answer
		err = fmt.Errorf("%w (no hard links): %w", ErrNoCreate, err)
	}
	if err != nil {
		return false, &IOError{"create " + path, err}
	}
	return true, wrap("sync "+filepath.Dir(to), d.syncDir(filepath.Dir(to)))
}

// Put implements Store.
func (d *Dir) Put(_ context.Context, path string, content []byte) error {
	tmp, err := d.temporary(content)
	if err == nil {
		err = d.publish(tmp, filepath.FromSlash(path))
	}
	if err != nil {
		return &IOError{"write " + path, errors.Join(err, ignoreNotExist(os.Remove(tmp)))}
	}
	return nil
}

// temporary creates a durable file with content under _tmp.
func (d *Dir) temporary(content []byte) (string, error) {
	f, err := os.CreateTemp(d.tmp, "d-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	return f.Name(), errors.Join(err, f.Sync(), f.Close())
}

// Move implements Store.
func (d *Dir) Move(_ context.Context, from, to string) error {
	source := filepath.Join(d.root, filepath.FromSlash(from))
	err := d.publish(source, filepath.FromSlash(to))
	if err == nil {
		err = wrap("sync "+filepath.Dir(source), ignoreNotExist(d.syncDir(filepath.Dir(source))))
		d.prune(from)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(source); errors.Is(serr, fs.ErrNotExist) {
			if _, derr := os.Stat(filepath.Join(d.root, filepath.FromSlash(to))); derr == nil {
				return nil // already moved
			}
		}
	}
	return err
}

// prune removes the empty directories above a removed file, if they begin with an underscore: exporters write into the others at any time.
func (d *Dir) prune(path string) {
	dir := filepath.Dir(filepath.FromSlash(path))
	if !strings.HasPrefix(dir, "_") {
		return
	}
	for ; strings.Contains(dir, string(filepath.Separator)); dir = filepath.Dir(dir) {
		if os.Remove(filepath.Join(d.root, dir)) != nil {
			return // the directory is not empty
		}
		d.forget()
	}
}

// Remove implements Store.
func (d *Dir) Remove(_ context.Context, path string) error {
	full := filepath.Join(d.root, filepath.FromSlash(path))
	err := os.Remove(full)
	if err != nil {
		return wrap("remove "+path, ignoreNotExist(err))
	}
	err = wrap("sync "+filepath.Dir(full), ignoreNotExist(d.syncDir(filepath.Dir(full))))
	d.prune(path)
	return err
}
