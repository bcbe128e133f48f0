// Package disktest is a file system in memory that behaves as badly as a real one may: it tears writes, fills up, fails, and forgets unflushed data
// in a power cut. After a failed flush it keeps returning the written data and never puts it on disk, as Linux does.
package disktest

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// Operations that a fault can hit.
const (
	Write = "write"
	Sync  = "sync"
	Other = "other" // create, rename, remove, truncate, sync of a directory
	Reads = "read"
)

// Fault decides about an operation on a file: nil lets it pass. A write that fails may have written a part.
type Fault func(operation, name string) error

// FS is the file system. It is safe for concurrent use.
type FS struct {
	mu          sync.Mutex
	rng         *rand.Rand
	fault       Fault
	directories map[string]*directory
	dead        bool // no handle from before a crash works any more
	Operations  int
}

var _ disk.FS = (*FS)(nil)

type directory struct {
	now     map[string]*node // as programs see it
	durable map[string]*node
	pending []func(map[string]*node) // changes since the last sync, in order
	made    bool                     // its own name is on disk
}

// node is a file.
type node struct {
	now     []byte
	durable []byte
	pending []change // since the last sync
}

// New returns an empty file system; seed decides what survives a crash.
func New(seed uint64) *FS {
	return &FS{rng: rand.New(rand.NewPCG(seed, seed)), directories: map[string]*directory{}}
}

// SetFault lets f decide about all operations from now on; nil: all pass.
func (d *FS) SetFault(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

func (d *FS) check(operation, name string) error {
	d.Operations++
	if d.dead {
		return errors.New("this file system is gone")
	}
	if d.fault == nil {
		return nil
	}
	if err := d.fault(operation, name); err != nil {
		return &fs.PathError{Op: operation, Path: name, Err: err}
	}
	return nil
}

// Kill returns the file system that a new process finds after this one was killed. d can't be used any more.
func (d *FS) Kill() *FS { return d.after(false) }

// PowerCut returns the file system that a process finds after the machine lost its power: the flushed data, and any part of the rest.
func (d *FS) PowerCut() *FS { return d.after(true) }

func (d *FS) after(cut bool) *FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	next := &FS{rng: d.rng, directories: map[string]*directory{}}
	nodes := map[*node]*node{}
	keep := func(n *node) *node {
		if nodes[n] == nil {
			nodes[n] = d.survivor(n, cut)
		}
		return nodes[n]
	}
	names := make([]string, 0, len(d.directories))
	for name := range d.directories {
		names = append(names, name)
	}
	sort.Strings(names) // The same seed, the same schedule.
	for _, name := range names {
		dir := d.directories[name]
		if cut && !dir.made {
			continue
		}
		entries := dir.now
		if cut {
			entries = map[string]*node{}
			for k, v := range dir.durable {
				entries[k] = v
			}
			for _, c := range dir.pending[:d.rng.IntN(len(dir.pending)+1)] {
				c(entries)
			}
		}
		out := &directory{now: map[string]*node{}, durable: map[string]*node{}, made: true}
		files := make([]string, 0, len(entries))
		for k := range entries {
			files = append(files, k)
		}
		sort.Strings(files)
		for _, k := range files {
			out.now[k] = keep(entries[k])
			out.durable[k] = out.now[k]
		}
		if !cut {
			out.durable, out.pending, out.made = translate(dir, keep), nil, dir.made
			if len(dir.pending) > 0 { // The names stay; a later power cut may still lose them.
				names := maps.Clone(out.now)
				out.pending = []func(map[string]*node){func(m map[string]*node) {
					clear(m)
					maps.Copy(m, names)
				}}
			}
		}
		next.directories[name] = out
	}
	return next
}

func translate(dir *directory, keep func(*node) *node) map[string]*node {
	names := make([]string, 0, len(dir.durable))
	for k := range dir.durable {
		names = append(names, k)
	}
	sort.Strings(names)
	out := map[string]*node{}
	for _, k := range names {
		out[k] = keep(dir.durable[k])
	}
	return out
}

// survivor is a file after the crash.
func (d *FS) survivor(n *node, cut bool) *node {
	if !cut {
		return &node{now: n.now, durable: n.durable, pending: n.pending}
	}
	left := n.durable
	for _, c := range n.pending {
		switch d.rng.IntN(4) {
		case 0: // all of it
			left = c.apply(left)
		case 1: // a part
			if len(c.data) > 0 {
				left = change{c.at, c.data[:d.rng.IntN(len(c.data)+1)]}.apply(left)
			}
		case 2: // its length, and not its bytes
			if len(c.data) > 0 {
				left = change{c.at, make([]byte, len(c.data))}.apply(left)
			}
		}
	}
	return &node{now: left, durable: left}
}

// Content returns a file's bytes as a program sees them; nil if it is missing.
func (d *FS) Content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.find(name); n != nil {
		return append([]byte{}, n.now...)
	}
	return nil
}

// Set replaces a file's content, on disk at once; nil removes the file.
func (d *FS) Set(name string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := d.directories[filepath.Dir(name)]
	if content == nil {
		delete(dir.now, filepath.Base(name))
		delete(dir.durable, filepath.Base(name))
		return
	}
	n := &node{now: content, durable: content}
	dir.now[filepath.Base(name)], dir.durable[filepath.Base(name)] = n, n
}

// RemoveAll removes a directory with all that is in it, on disk at once.
func (d *FS) RemoveAll(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.directories, name)
}

// Files lists all files, in order.
func (d *FS) Files() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, dir := range d.directories {
		for file := range dir.now {
			names = append(names, filepath.Join(name, file))
		}
	}
	sort.Strings(names)
	return names
}

func (d *FS) find(name string) *node {
	dir := d.directories[filepath.Dir(name)]
	if dir == nil {
		return nil
	}
	return dir.now[filepath.Base(name)]
}

func missing(operation, name string) error {
	return &fs.PathError{Op: operation, Path: name, Err: fs.ErrNotExist}
}

// Open implements [disk.FS].
func (d *FS) Open(name string, create bool) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	if n == nil {
		dir := d.directories[filepath.Dir(name)]
		if !create || dir == nil {
			return nil, missing("open", name)
		}
		if err := d.check(Other, name); err != nil {
			return nil, err
		}
		n = &node{}
		dir.change(func(m map[string]*node) { m[filepath.Base(name)] = n })
	} else if err := d.check(Reads, name); err != nil {
		return nil, err
	}
	return &file{fs: d, node: n, name: name}, nil
}

func (dir *directory) change(how func(map[string]*node)) {
	how(dir.now)
	dir.pending = append(dir.pending, how)
}

// ReadDirectory implements [disk.FS].
func (d *FS) ReadDirectory(name string) ([]disk.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := d.directories[name]
	if dir == nil {
		return nil, missing("read", name)
	}
	if err := d.check(Reads, name); err != nil {
		return nil, err
	}
	var out []disk.Entry
	for file, n := range dir.now {
		out = append(out, disk.Entry{Name: file, Size: int64(len(n.now)), Modified: time.Unix(0, 0)})
	}
	for other := range d.directories {
		if filepath.Dir(other) == name && other != name {
			out = append(out, disk.Entry{Name: filepath.Base(other), Directory: true})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// MakeDirectory implements [disk.FS].
func (d *FS) MakeDirectory(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.directories[name] != nil {
		return nil
	}
	if err := d.check(Other, name); err != nil {
		return err
	}
	for ; d.directories[name] == nil; name = filepath.Dir(name) {
		d.directories[name] = &directory{now: map[string]*node{}, durable: map[string]*node{}, made: filepath.Dir(name) == name}
	}
	return nil
}

// Rename implements [disk.FS].
func (d *FS) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(Other, from); err != nil {
		return err
	}
	n := d.find(from)
	if n == nil || filepath.Dir(from) != filepath.Dir(to) {
		return missing("rename", from)
	}
	d.directories[filepath.Dir(from)].change(func(m map[string]*node) {
		delete(m, filepath.Base(from))
		m[filepath.Base(to)] = n
	})
	return nil
}

// Remove implements [disk.FS].
func (d *FS) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(Other, name); err != nil {
		return err
	}
	if dir := d.directories[name]; dir != nil && len(dir.now) == 0 {
		delete(d.directories, name)
		return nil
	}
	if d.find(name) == nil {
		return missing("remove", name)
	}
	d.directories[filepath.Dir(name)].change(func(m map[string]*node) { delete(m, filepath.Base(name)) })
	return nil
}

// SyncDirectory implements [disk.FS].
func (d *FS) SyncDirectory(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(Sync, name); err != nil {
		return err
	}
	dir := d.directories[name]
	if dir == nil {
		return missing("sync", name)
	}
	dir.pending = nil
	dir.durable = map[string]*node{}
	for k, v := range dir.now {
		dir.durable[k] = v
	}
	for other, o := range d.directories {
		if filepath.Dir(other) == name {
			o.made = true
		}
	}
	return nil
}

// Free implements [disk.FS].
func (d *FS) Free(string) (int64, error) { return 1 << 40, nil }

// Copy returns another file system with the same content, all on disk.
func (d *FS) Copy() *FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := &FS{rng: d.rng, directories: map[string]*directory{}}
	for name, dir := range d.directories {
		c := &directory{now: map[string]*node{}, durable: map[string]*node{}, made: true}
		for file, n := range dir.now {
			content := append([]byte{}, n.now...)
			c.now[file] = &node{now: content, durable: content}
			c.durable[file] = c.now[file]
		}
		out.directories[name] = c
	}
	return out
}
