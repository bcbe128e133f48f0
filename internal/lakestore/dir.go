package lakestore

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gofrs/flock"

	"github.com/penstockhq/penstock/internal/durable"
)

const (
	tmpDir     = "_tmp"
	bufferSize = 256 << 10
	// maxKnown bounds the set of directories whose parents are known to be durable.
	maxKnown = 4096
)

// An IOError is a failure of the storage below a Dir: full disk, missing permission, vanished mount. A retry can help.
type IOError struct {
	Op  string
	Err error
}

func (e *IOError) Error() string { return e.Op + ": " + e.Err.Error() }
func (e *IOError) Unwrap() error { return e.Err }

// Dir is a lake's root directory, open for writing. Any number of processes and Dirs may share one root. Safe for concurrent use.
type Dir struct {
	root string
	tmp  string
	lock *flock.Flock

	mu    sync.Mutex
	known map[string]struct{} // directories whose entry in their parent is durable

	syncDir func(string) error          // durable.SyncDir, except in tests
	link    func(from, to string) error // os.Link, except in tests
}

// Exists reports whether root is a lake that was opened for writing before.
func Exists(root string) bool {
	info, err := os.Stat(filepath.Join(root, tmpDir))
	return err == nil && info.IsDir()
}

// Open creates root if it is missing, removes the temporary files of dead writers, and returns the number of removed files.
func Open(root string) (*Dir, int, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, 0, &IOError{"resolve " + root, err}
	}
	d := &Dir{root: root, known: map[string]struct{}{}, syncDir: durable.SyncDir, link: os.Link}
	tmp := filepath.Join(root, tmpDir)
	if err := d.makeDurable(tmp); err != nil {
		return nil, 0, err
	}
	// The gate prevents another process from taking a directory that was created but is not locked yet for an abandoned one.
	gate := flock.New(filepath.Join(tmp, "lock"))
	if err := gate.Lock(); err != nil {
		return nil, 0, &IOError{"lock " + tmp, err}
	}
	defer func() { _ = gate.Close() }()
	removed, err := removeAbandoned(tmp)
	if err != nil {
		return nil, 0, err
	}
	if d.tmp, err = os.MkdirTemp(tmp, "w-"); err != nil {
		return nil, 0, &IOError{"create temporary directory", err}
	}
	d.lock = flock.New(d.tmp + ".lock")
	if ok, err := d.lock.TryLock(); err != nil || !ok {
		return nil, 0, &IOError{"lock " + d.tmp, errors.Join(err, errors.New("directory is in use"))}
	}
	return d, removed, nil
}

// Root is the absolute path of the lake.
func (d *Dir) Root() string { return d.root }

// removeAbandoned deletes every writer's directory whose lock is free: its process has ended.
func removeAbandoned(tmp string) (files int, err error) {
	dirs, err := filepath.Glob(filepath.Join(tmp, "w-*"))
	if err != nil {
		return 0, err
	}
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		lock := flock.New(dir + ".lock")
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue
		}
		left, _ := os.ReadDir(dir)
		files += len(left)
		err := errors.Join(os.RemoveAll(dir), os.Remove(dir+".lock"), lock.Close())
		if err != nil {
			return files, &IOError{"remove abandoned " + dir, err}
		}
	}
	return files, nil
}

// Close removes the temporary directory. Safe on a nil Dir and when repeated.
func (d *Dir) Close() error {
	if d == nil || d.lock == nil {
		return nil
	}
	err := errors.Join(os.RemoveAll(d.tmp), os.Remove(d.lock.Path()), d.lock.Close())
	d.lock = nil
	return err
}

// Names implements Store. It costs one listing of all the directories.
func (d *Dir) Names(_ context.Context, signal string, each func(name string)) error {
	err := filepath.WalkDir(filepath.Join(d.root, signal), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return ignoreNotExist(err)
		}
		if name, ok := strings.CutSuffix(entry.Name(), Extension); ok && !entry.IsDir() {
			each(name)
		}
		return nil
	})
	return wrap("list "+signal, err)
}

// Written describes a file that is durable and visible.
type Written struct {
	Path  string // below the root
	Bytes int64
}

// Write implements Store: a file under _tmp, fsynced, renamed, its directories fsynced.
func (d *Dir) Write(_ context.Context, dir, name string, fill func(io.Writer) error) (w Written, err error) {
	f, err := os.CreateTemp(d.tmp, "f-")
	if err != nil {
		return Written{}, &IOError{"create temporary file", err}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreNotExist(os.Remove(f.Name())))
		}
	}()
	sink := &sink{file: f}
	var to io.Writer = sink
	sum := sha256.New()
	if name == "" {
		to = io.MultiWriter(sum, sink)
	}
	buf := bufio.NewWriterSize(to, bufferSize)
	err = fill(buf)
	if err == nil {
		err = buf.Flush()
	}
	if sink.err != nil { // whatever error the encoder made of it
		err = sink.err
	}
	if err == nil {
		err = wrap("sync temporary file", f.Sync())
	}
	if cerr := wrap("close temporary file", f.Close()); err == nil {
		err = cerr
	}
	if err != nil {
		return Written{}, err
	}
	if name == "" {
		name = hex.EncodeToString(sum.Sum(nil)[:16])
	}
	w = Written{Path: filepath.Join(dir, name+Extension), Bytes: sink.n}
	return w, d.publish(f.Name(), w.Path)
}

// publish renames a durable file to its final path, durably.
func (d *Dir) publish(tmp, path string) error {
	to := filepath.Join(d.root, path)
	dir := filepath.Dir(to)
	if err := d.makeDurable(dir); err != nil {
		return err
	}
	if err := os.Rename(tmp, to); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			d.forget() // the directory was removed, as retention does
		}
		return &IOError{"rename into " + dir, err}
	}
	return wrap("sync "+dir, d.syncDir(dir))
}

// makeDurable creates dir and its parents and fsyncs the parent of each directory that this Dir has not seen before: an existing one may be from a
// process that died before its own fsync.
func (d *Dir) makeDurable(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) > maxKnown {
		clear(d.known)
	}
	return d.makeDurableLocked(dir)
}

func (d *Dir) makeDurableLocked(dir string) error {
	if _, ok := d.known[dir]; ok {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		if !errors.Is(err, fs.ErrNotExist) {
			return &IOError{"create directory", err}
		}
		if err := d.makeDurableLocked(parent); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return &IOError{"create directory", err}
		}
	}
	if dir != d.root && len(dir) > len(d.root) {
		if err := d.makeDurableLocked(parent); err != nil {
			return err
		}
	}
	if err := d.syncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) { // the root's parent may belong to another user
		return &IOError{"sync " + parent, err}
	}
	d.known[dir] = struct{}{}
	return nil
}

func (d *Dir) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.known)
}

// sink remembers the storage's error and how much was written, because an encoder between may reword the first.
type sink struct {
	file *os.File
	n    int64
	err  error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.n += int64(n)
	if err != nil && s.err == nil {
		s.err = &IOError{"write temporary file", err}
	}
	return n, err
}

func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &IOError{op, err}
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
