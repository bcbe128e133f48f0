package lakestore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// ReadChange reads a committed change.
func ReadChange(ctx context.Context, s Store, at string) (c Change, err error) {
	r, err := s.Open(ctx, at)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		return c, &IOError{"read " + at, err}
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return c, fmt.Errorf("%s: %w", at, err)
	}
	return c, nil
}

// Changes reads the changes of a partition, in their order.
func Changes(ctx context.Context, s Store, partition string) (all []Change, err error) {
	var paths []string
	err = s.List(ctx, path.Join(ChangesDir, partition), func(f File) error {
		paths = append(paths, f.Path)
		return nil
	})
	for _, at := range paths {
		if err != nil {
			return nil, err
		}
		var c Change
		if c, err = ReadChange(ctx, s, at); err == nil {
			all = append(all, c)
		}
		if errors.Is(err, fs.ErrNotExist) { // retention has dropped the partition
			return nil, nil
		}
	}
	return all, err
}

// Superseded reports whether a file, if it were written, would only repeat rows of a merged file. The answer can be outdated: a file that is
// written nevertheless is dead, and the next pass of the compaction deletes it.
func Superseded(ctx context.Context, s Store, file string) (bool, error) {
	dir := path.Dir(file)
	files := []File{{Path: file}}
	err := s.List(ctx, dir, func(f File) error {
		if f.Path != file {
			files = append(files, f)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	changes, err := Changes(ctx, s, dir)
	if err != nil || len(changes) == 0 {
		return false, err
	}
	_, dead := Live(files, changes)
	return slices.ContainsFunc(dead, func(f File) bool { return f.Path == file }), nil
}

// newestChanges bounds the changes that MergedNames reads.
const newestChanges = 1000

// MergedNames calls each for the names, without extension, of the files that the newest 1000 changes of a signal have removed.
func MergedNames(ctx context.Context, s Store, signal string, each func(name string)) error {
	var all []File
	err := s.List(ctx, path.Join(ChangesDir, signal), func(f File) error {
		all = append(all, f)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b File) int { return cmp.Or(b.Modified.Compare(a.Modified), cmp.Compare(b.Path, a.Path)) })
	for _, f := range all[:min(len(all), newestChanges)] {
		c, err := ReadChange(ctx, s, f.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, r := range c.Remove {
			each(strings.TrimSuffix(r.Name(), Extension))
		}
	}
	return nil
}
