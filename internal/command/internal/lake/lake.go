// Package lake checks the Parquet files of a lake. A single file without a footer at its end makes every query over its signal fail.
package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/gofrs/flock"

	"github.com/penstockhq/penstock/internal/command/internal/repair"
	"github.com/penstockhq/penstock/internal/durable"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// Readers ignore directories of the lake that begin with an underscore.
const (
	tmpDir     = "_tmp"
	damagedDir = "_damaged"
	refillDir  = "_refill"
	extension  = ".parquet"
)

// Settings of the check.
type Settings struct {
	// Root is the lake's directory.
	Root string
	// Full reads every page of every file, not only footers.
	Full bool
	// Now is the time for names of files.
	Now time.Time
}

// Check returns the check of a lake.
func Check(set Settings) repair.Check {
	return repair.Check{Name: "lake", Open: func(context.Context) (repair.Stores, error) {
		if _, err := os.Stat(set.Root); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		l := &lake{set: set}
		if err := l.takeLocks(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		return l, nil
	}}
}

type lake struct {
	set  Settings
	gate *flock.Flock
	// generations are the newest generation of each partition, according to the names of files.
	generations map[string]int
	// changes are those of compaction, by directory.
	changes map[string][]lakestore.Change
}

// takeLocks keeps writers out: each has its own locked file below _tmp, which it creates while it holds the gate.
func (l *lake) takeLocks() error {
	tmp := filepath.Join(l.set.Root, tmpDir)
	if _, err := os.Stat(tmp); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l.gate = flock.New(filepath.Join(tmp, "lock"))
	if taken, err := l.gate.TryLock(); err != nil || !taken {
		return errors.Join(fmt.Errorf("%s is %w", l.gate.Path(), repair.ErrInUse), err)
	}
	writers, err := filepath.Glob(filepath.Join(tmp, "w-*.lock"))
	if err != nil {
		return err
	}
	for _, path := range writers {
		lock := flock.New(path)
		taken, err := lock.TryLock()
		if err == nil && !taken {
			err = fmt.Errorf("%s is %w by a collector", l.set.Root, repair.ErrInUse)
		}
		if err = errors.Join(err, lock.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Close unlocks the lake.
func (l *lake) Close() error {
	if l.gate == nil {
		return nil
	}
	return l.gate.Close()
}

// Find reads the footer of every file, and with Full the whole file; and it finds the files that were read again from the journal.
func (l *lake) Find(ctx context.Context) (checked int, found []repair.Finding, err error) {
	paths, err := l.list(ctx)
	found, failed := l.readChanges(ctx)
	damaged := map[string]string{} // merged files below the root
	for _, path := range paths {
		if ctx.Err() != nil {
			return checked, found, ctx.Err()
		}
		checked++
		text, err := examine(path, l.set.Full)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", path, err))
		} else if rel := l.rel(path); text != "" && l.merged(rel) {
			damaged[rel] = text
		} else if text != "" {
			found = append(found, l.damaged(path, text))
		}
	}
	lost, lerr := l.lost(paths, damaged)
	refilled, rerr := l.refilled()
	return checked, slices.Concat(found, lost, refilled), errors.Join(err, lerr, rerr, failed)
}

// list returns the files of the lake, and collects the generations from their names.
func (l *lake) list(ctx context.Context) (paths []string, err error) {
	l.generations = map[string]int{}
	err = filepath.WalkDir(l.set.Root, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if strings.HasPrefix(d.Name(), "_") && path != l.set.Root {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || filepath.Ext(path) != extension:
			return nil
		}
		paths = append(paths, path)
		rel, err := filepath.Rel(l.set.Root, path)
		if p, ok := parseName(rel); ok {
			l.generations[p.source] = max(l.generations[p.source], p.generation)
		}
		return err
	})
	return paths, err
}

// examine returns the damage of a file, or nothing. An error is the storage's.
func examine(path string, full bool) (damage string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	defer func() {
		if r := recover(); r != nil { // an invalid length in the file
			damage, err = fmt.Sprintf("it can't be decoded: %v", r), nil
		}
	}()
	size := info.Size()
	if size == 0 {
		return "the file is empty", nil
	}
	if size < 12 {
		return fmt.Sprintf("the file has %d bytes, and the shortest has 12", size), nil
	}
	var head, tail [4]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return "", err
	}
	if _, err := f.ReadAt(tail[:], size-4); err != nil {
		return "", err
	}
	switch {
	case string(tail[:]) != "PAR1" && tail == [4]byte{} && head == [4]byte{}:
		return "the file is zeroed", nil
	case string(tail[:]) != "PAR1":
		return "the file does not end in a footer", nil
	case string(head[:]) != "PAR1":
		return "the file does not begin as a Parquet file", nil
	}
	if err := decode(f, size, full); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// decode reads the footer, and with full every page.
func decode(f *os.File, size int64, full bool) error {
	r, err := file.NewParquetReader(f)
	if err != nil {
		return fmt.Errorf("its footer can't be decoded: %w", err)
	}
	for i := range r.NumRowGroups() {
		group := r.MetaData().RowGroup(i)
		for c := range group.NumColumns() {
			chunk, err := group.ColumnChunk(c)
			if err != nil {
				return fmt.Errorf("column %d of row group %d: %w", c, i, err)
			}
			if from, n := chunk.DataPageOffset(), chunk.TotalCompressedSize(); from < 4 || n < 0 || from+n > size && !chunk.HasDictionaryPage() {
				return fmt.Errorf("column %d of row group %d lies outside the file", c, i)
			}
			if !full {
				continue
			}
			pages, err := r.RowGroup(i).GetColumnPageReader(c)
			if err != nil {
				return fmt.Errorf("column %d of row group %d: %w", c, i, err)
			}
			for pages.Next() { // this releases the previous page
				continue
			}
			if err := pages.Err(); err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("column %d of row group %d: %w", c, i, err)
			}
		}
	}
	return nil
}

// damaged is the finding about a file of the lake.
func (l *lake) damaged(path, text string) repair.Finding {
	rel := l.rel(path)
	if info, err := os.Stat(path); err == nil {
		text += fmt.Sprintf("; %d bytes, last written %s", info.Size(), info.ModTime().UTC().Format(time.RFC3339))
	}
	f := repair.Finding{Path: path, Damage: text, Action: "move it to " + filepath.Join(l.set.Root, damagedDir, filepath.Dir(rel))}
	p, ok := parseName(rel)
	f.Lost = p.rows()
	f.Repair = func(context.Context) (string, error) { return l.setAside(path, rel) }
	switch newest := l.generations[p.source]; {
	case !ok:
		f.Follows = "queries work again, without these rows. The file's name holds no range of a journal, so they can't be read again from one"
	case p.byJob:
		f.Follows = "queries work again, without these rows. A replay job wrote the file: while the journal has these offsets, run the job for them again"
	case p.generation < newest:
		f.Follows = fmt.Sprintf("queries work again, without these rows. The journal was cut after they were written (generation %d, now %d): "+
			"its offsets can hold other records, so they can't be read again from it", p.generation, newest)
	default:
		config := filepath.Join(l.set.Root, refillDir, p.base+".yaml")
		f.Action += ", and write " + config
		f.Follows = "queries work again, without these rows. " + howToRefill(config, p.id(), 1)
		f.Repair = func(context.Context) (string, error) {
			if err := l.writeRefill(p.base, p.id(), p.rows(), []part{p}); err != nil {
				return "", err
			}
			done, err := l.setAside(path, rel)
			return done + "; wrote " + config, err
		}
	}
	return f
}

func (l *lake) setAside(path, rel string) (string, error) {
	aside, err := durable.SetAsideIn(filepath.Join(l.set.Root, damagedDir, filepath.Dir(rel)), path, l.set.Now)
	return "moved to " + aside, err
}

// sorted lists the files of a directory that match; a missing directory has none.
func sorted(pattern string) ([]string, error) {
	paths, err := filepath.Glob(pattern)
	slices.Sort(paths)
	return paths, err
}
