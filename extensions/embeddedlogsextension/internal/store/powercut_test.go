//go:build linux && powercut

package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// powerCuts is at how many moments the power fails.
const powerCuts = 200

// A store takes records while a follower saves checkpoints. At random moments the directory is copied as a power cut leaves it: with what was
// fsynced alone, or, every second time, with a random part of the rest. In each copy the follower goes back to its checkpoint: every row is there
// once, and the store has the flush that the checkpoint names.
//
// os.SyncHook exists only in the build that powercut_full_test.go makes; it runs this test.
func TestEveryRowIsThereOnceAfterAPowerCut(t *testing.T) {
	dir := t.TempDir()
	live := filepath.Join(dir, "live")
	require.NoError(t, os.Mkdir(live, 0o700))
	r := newRecorder(t, live, filepath.Join(dir, "shadow"))
	os.SyncHook = r.sync

	s, err := store.Open(quietSettings(live))
	require.NoError(t, err)
	var begun, durable atomic.Int64 // records
	var position atomic.Value
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for offset := int64(0); ctx.Err() == nil; offset++ {
			begun.Store(offset + 1)
			if !assert.NoError(t, addAt(context.Background(), s, offset, nil)) {
				return
			}
			time.Sleep(rand.N(2 * time.Millisecond))
		}
	})
	running.Go(func() {
		for ctx.Err() == nil {
			until := max(begun.Load()-1, 0) // the last one may be on its way
			at, err := s.Sync(context.Background())
			if !assert.NoError(t, err) {
				return
			}
			position.Store(at)
			durable.Store(until)
			time.Sleep(rand.N(60 * time.Millisecond))
		}
	})
	require.Eventually(t, func() bool { return durable.Load() > 0 }, time.Minute, time.Millisecond)

	var waiting sync.WaitGroup
	var there, unsynced, names atomic.Int64
	places := make(chan struct{}, 16)
	for moment := range powerCuts {
		time.Sleep(rand.N(20 * time.Millisecond)) // a random moment is the point
		checkpoint, flushed := durable.Load(), position.Load().(string)
		at := filepath.Join(dir, fmt.Sprint("copy-", moment))
		c := r.cut(t, at, moment%2 == 1)
		until := begun.Load() + crashBehind
		unsynced.Add(c.bytes)
		names.Add(c.names)
		places <- struct{}{}
		waiting.Go(func() {
			defer func() { <-places }()
			holds(t, at, flushed)
			there.Add(int64(goOn(t, at, checkpoint, until)))
			assert.NoError(t, os.RemoveAll(at))
		})
	}
	waiting.Wait()
	stop()
	running.Wait()
	require.NoError(t, s.Close())
	os.SyncHook = nil
	assert.Positive(t, unsynced.Load()+names.Load(), "a cut that takes nothing proves nothing")
	t.Logf("%d moments; %d bytes and %d names were not fsynced; %d rows were there behind a checkpoint; %d fsyncs", powerCuts, unsynced.Load(), names.Load(),
		there.Load(), r.syncs)
}

func holds(t *testing.T, dir, position string) {
	s, err := store.Open(quietSettings(dir))
	if !assert.NoError(t, err) {
		return
	}
	assert.NoError(t, s.Holds(position), "position %s", position)
	assert.NoError(t, s.Close())
}

// inode is a file's number. The recorder holds every inode that it knows, a file by a link and a directory by a descriptor, so the file system gives
// no number out again.
type inode uint64

// recorder knows what a power cut leaves of a directory. A file keeps the bytes that it had when its last fsync began; a directory the names that it
// had then. It relies on programs that write a file once, from its start to its end, and rename no directory.
type recorder struct {
	root, shadow string

	mu    sync.Mutex // held during an fsync: the order of what is recorded is that on disk
	files map[inode]int64
	dirs  map[inode]*directory
	syncs int
}

type directory struct {
	held  *os.File
	names map[string]entry
}

type entry struct {
	inode inode
	mode  fs.FileMode
}

func newRecorder(t *testing.T, root, shadow string) *recorder {
	require.NoError(t, os.Mkdir(shadow, 0o700))
	return &recorder{root: root, shadow: shadow, files: map[inode]int64{}, dirs: map[inode]*directory{}}
}

// sync takes the place of an fsync.
func (r *recorder) sync(f *os.File, fsync func() error) error {
	if f.Name() != r.root && !strings.HasPrefix(f.Name(), r.root+"/") {
		return fsync()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	n := inodeOf(info)
	var names map[string]entry
	if info.IsDir() {
		if names, err = r.list(f.Name()); err != nil {
			return err
		}
	}
	if err := fsync(); err != nil {
		return err
	}
	r.syncs++
	if !info.IsDir() {
		_, err := r.hold(f.Name())
		r.files[n] = info.Size()
		return err
	}
	if _, err := r.holdDir(f.Name()); err != nil {
		return err
	}
	d := r.dirs[n]
	before := d.names
	d.names = names
	for _, e := range before {
		r.forget(e)
	}
	return nil
}

// list returns the names in a directory as they are now, whose files it holds. What goes away meanwhile is not there.
func (r *recorder) list(dir string) (map[string]entry, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := map[string]entry{}
	for _, e := range found {
		path := filepath.Join(dir, e.Name())
		var held entry
		if e.IsDir() {
			held, err = r.holdDir(path)
		} else {
			held, err = r.hold(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		names[e.Name()] = held
	}
	return names, nil
}

// hold links a file into the shadow, under its inode's number.
func (r *recorder) hold(path string) (entry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return entry{}, err
	}
	e := entry{inodeOf(info), info.Mode()}
	if err := os.Link(path, r.held(e.inode)); errors.Is(err, fs.ErrExist) {
		return e, nil
	} else if err != nil {
		return entry{}, err
	}
	if held, err := os.Lstat(r.held(e.inode)); err != nil || inodeOf(held) != e.inode { // another file has the name meanwhile
		return entry{}, errors.Join(err, os.Remove(r.held(e.inode)), fs.ErrNotExist)
	}
	return e, nil
}

// holdDir keeps a directory open.
func (r *recorder) holdDir(path string) (entry, error) {
	d, err := os.Open(path)
	if err != nil {
		return entry{}, err
	}
	info, err := d.Stat()
	if err != nil {
		return entry{}, err
	}
	e := entry{inodeOf(info), info.Mode()}
	if r.dirs[e.inode] != nil {
		return e, d.Close()
	}
	r.dirs[e.inode] = &directory{held: d}
	return e, nil
}

func (r *recorder) held(n inode) string { return filepath.Join(r.shadow, fmt.Sprint(n)) }

// forget lets go of what no durable name leads to.
func (r *recorder) forget(e entry) {
	for _, d := range r.dirs {
		for _, other := range d.names {
			if other.inode == e.inode {
				return
			}
		}
	}
	if !e.mode.IsDir() {
		if info, err := os.Lstat(r.held(e.inode)); err == nil && info.Sys().(*syscall.Stat_t).Nlink == 1 { // it has no other name
			_ = os.Remove(r.held(e.inode))
			delete(r.files, e.inode)
		}
		return
	}
	if d := r.dirs[e.inode]; d != nil {
		delete(r.dirs, e.inode)
		_ = d.held.Close()
		for _, e := range d.names {
			r.forget(e)
		}
	}
}

// left counts what a cut did not take along.
type left struct{ bytes, names int64 }

// cut copies what a power cut leaves to a new directory; some: with a random part of what was not fsynced, each name and each length by itself.
func (r *recorder) cut(t *testing.T, to string, some bool) (of left) {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Lstat(r.root)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(to, 0o700))
	r.cutDir(t, r.root, inodeOf(info), to, some, &of)
	return of
}

func (r *recorder) cutDir(t *testing.T, path string, n inode, to string, some bool, of *left) {
	durable := map[string]entry{}
	if d := r.dirs[n]; d != nil {
		durable = d.names
	}
	now := map[string]entry{} // stays empty where the directory itself is gone
	if info, err := os.Lstat(path); err == nil && inodeOf(info) == n {
		now, err = r.list(path)
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, err)
		}
	}
	all := map[string]entry{}
	maps.Copy(all, durable)
	maps.Copy(all, now)
	for name := range all {
		was, is := durable[name], now[name]
		keep := was
		if was.inode != is.inode {
			if of.names++; some && rand.IntN(2) == 0 {
				keep = is
			}
		}
		switch {
		case keep.inode == 0:
		case keep.mode.IsDir():
			require.NoError(t, os.Mkdir(filepath.Join(to, name), 0o700))
			r.cutDir(t, filepath.Join(path, name), keep.inode, filepath.Join(to, name), some, of)
		default:
			r.cutFile(t, keep, filepath.Join(to, name), some, of)
		}
	}
}

func (r *recorder) cutFile(t *testing.T, e entry, to string, some bool, of *left) {
	from, err := os.Open(r.held(e.inode))
	require.NoError(t, err)
	defer from.Close()
	info, err := from.Stat()
	require.NoError(t, err)
	size := r.files[e.inode]
	require.LessOrEqual(t, size, info.Size(), "a file became shorter: the recorder relies on that no program does that")
	unsynced := info.Size() - size
	of.bytes += unsynced
	if some && unsynced > 0 {
		size += rand.Int64N(unsynced + 1)
	}
	copied, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = io.CopyN(copied, from, size)
	require.NoError(t, err)
	require.NoError(t, copied.Close())
}

func inodeOf(info fs.FileInfo) inode { return inode(info.Sys().(*syscall.Stat_t).Ino) }
