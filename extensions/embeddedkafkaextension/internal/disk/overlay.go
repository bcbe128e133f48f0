package disk

import (
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Overlay is a file system over another one, whose changes stay in memory: it shows what a start would do. It holds every written file in memory.
type Overlay struct {
	below FS

	mu          sync.Mutex
	files       map[string]*memory  // guarded by mu, contents included
	gone        map[string]bool     // guarded by mu; files and directories below
	directories map[string]struct{} // guarded by mu; created here
}

var _ FS = (*Overlay)(nil)

type memory struct{ content []byte }

// NewOverlay returns an overlay of below.
func NewOverlay(below FS) *Overlay {
	return &Overlay{below: below, files: map[string]*memory{}, gone: map[string]bool{}, directories: map[string]struct{}{}}
}

func (o *Overlay) goneLocked(name string) bool {
	for ; ; name = filepath.Dir(name) {
		if o.gone[name] {
			return true
		}
		if filepath.Dir(name) == name {
			return false
		}
	}
}

// Open implements [FS].
func (o *Overlay) Open(name string, create bool) (File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m := o.files[name]; m != nil {
		return &overlaid{o: o, name: name, memory: m}, nil
	}
	if !o.goneLocked(name) {
		f, err := o.below.Open(name, false)
		if err == nil {
			return &overlaid{o: o, name: name, below: f}, nil
		}
	}
	if !create {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	m := &memory{}
	o.files[name] = m
	return &overlaid{o: o, name: name, memory: m}, nil
}

// ReadDirectory implements [FS].
func (o *Overlay) ReadDirectory(name string) ([]Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, made := o.directories[name]
	var out []Entry
	if !o.goneLocked(name) {
		below, err := o.below.ReadDirectory(name)
		if err != nil && !made {
			return nil, err
		}
		out = slices.DeleteFunc(below, func(e Entry) bool {
			at := filepath.Join(name, e.Name)
			return o.gone[at] || o.files[at] != nil
		})
	} else if !made {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	for at, m := range o.files {
		if filepath.Dir(at) == name {
			out = append(out, Entry{Name: filepath.Base(at), Size: int64(len(m.content)), Modified: time.Unix(0, 0)})
		}
	}
	for at := range o.directories {
		if filepath.Dir(at) == name && !slices.ContainsFunc(out, func(e Entry) bool { return e.Name == filepath.Base(at) }) {
			out = append(out, Entry{Name: filepath.Base(at), Directory: true})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// MakeDirectory implements [FS].
func (o *Overlay) MakeDirectory(name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for ; filepath.Dir(name) != name; name = filepath.Dir(name) {
		o.directories[name] = struct{}{}
	}
	return nil
}

// Rename implements [FS]. The directory must have been created here.
func (o *Overlay) Rename(from, to string) error {
	f, err := o.Open(from, false)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		m, err := f.(*overlaid).writeLocked()
		if err != nil {
			return err
		}
		delete(o.files, from)
		o.gone[from] = true
		o.files[to] = m
		return nil
	}
	delete(o.directories, from)
	o.gone[from] = true
	o.directories[to] = struct{}{}
	for name, m := range o.files {
		if rest, ok := strings.CutPrefix(name, from+string(filepath.Separator)); ok {
			delete(o.files, name)
			o.files[filepath.Join(to, rest)] = m
		}
	}
	return nil
}

// Remove implements [FS].
func (o *Overlay) Remove(name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.files, name)
	delete(o.directories, name)
	o.gone[name] = true
	return nil
}

// SyncDirectory implements [FS].
func (o *Overlay) SyncDirectory(string) error { return nil }

// Free implements [FS].
func (o *Overlay) Free(name string) (int64, error) { return o.below.Free(name) }

// overlaid is a file of an overlay: the lower one until it is written to.
type overlaid struct {
	o      *Overlay
	name   string
	below  File
	memory *memory
}

// writeLocked copies the file into memory.
func (f *overlaid) writeLocked() (*memory, error) {
	if f.memory != nil {
		return f.memory, nil
	}
	if m := f.o.files[f.name]; m != nil {
		f.memory = m
		return m, nil
	}
	size, err := f.below.Size()
	if err != nil {
		return nil, err
	}
	m := &memory{content: make([]byte, size)}
	if size > 0 {
		if _, err := f.below.ReadAt(m.content, 0); err != nil && err != io.EOF {
			return nil, err
		}
	}
	f.memory, f.o.files[f.name] = m, m
	return m, nil
}

func (f *overlaid) current() *memory {
	if f.memory == nil {
		f.memory = f.o.files[f.name]
	}
	return f.memory
}

func (f *overlaid) ReadAt(p []byte, at int64) (int, error) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	m := f.current()
	if m == nil {
		return f.below.ReadAt(p, at)
	}
	if at >= int64(len(m.content)) {
		return 0, io.EOF
	}
	n := copy(p, m.content[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *overlaid) WriteAt(p []byte, at int64) (int, error) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	m, err := f.writeLocked()
	if err != nil {
		return 0, err
	}
	if more := at + int64(len(p)) - int64(len(m.content)); more > 0 {
		m.content = append(m.content, make([]byte, more)...)
	}
	return copy(m.content[at:], p), nil
}

func (f *overlaid) Truncate(size int64) error {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	m, err := f.writeLocked()
	if err != nil {
		return err
	}
	if size <= int64(len(m.content)) {
		m.content = m.content[:size]
	} else {
		m.content = append(m.content, make([]byte, size-int64(len(m.content)))...)
	}
	return nil
}

func (f *overlaid) Size() (int64, error) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	if m := f.current(); m != nil {
		return int64(len(m.content)), nil
	}
	return f.below.Size()
}

func (f *overlaid) Sync() error { return nil }

func (f *overlaid) Close() error {
	if f.below != nil {
		return f.below.Close()
	}
	return nil
}
