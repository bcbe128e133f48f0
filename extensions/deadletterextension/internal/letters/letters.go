// Package letters keeps refused export requests as files in a bounded directory, one request per file, in the protobuf form that any OTLP/HTTP
// server accepts.
package letters

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/penstockhq/penstock/internal/durable"
)

const (
	suffix = ".pb"
	layout = "20060102T150405.000000000Z"
)

// ErrTooLarge says that a single dead letter exceeds the bound of the directory.
var ErrTooLarge = errors.New("larger than max_size, the limit of the whole directory")

// Box is the directory. It is safe for concurrent use. Memory: some 100 bytes a file.
type Box struct {
	dir     string
	maxSize int64

	mu    sync.Mutex
	files []file // guarded by mu; oldest first
	size  int64  // guarded by mu; bytes
	last  string // guarded by mu; the time in the name of the latest file
}

type file struct {
	name string
	size int64
}

// DeadLetter is the content of a file's name.
type DeadLetter struct {
	Signal string
	Items  int
	Reason string
}

// Open returns the box in dir, which it creates if missing. maxSize bounds the bytes of all dead letters. Files with other names stay.
func Open(dir string, maxSize int64) (*Box, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir) // sorted by name, and so by time
	if err != nil {
		return nil, err
	}
	b := &Box{dir: dir, maxSize: maxSize}
	for _, e := range entries {
		if _, err := Parse(e.Name()); err != nil || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		b.files = append(b.files, file{e.Name(), info.Size()})
		b.size += info.Size()
		b.last, _, _ = strings.Cut(e.Name(), "-")
	}
	return b, nil
}

// Put stores body durably and returns the file's name. At the bound it first removes the oldest dead letters and returns them. On an error nothing
// new is stored.
func (b *Box) Put(now time.Time, l DeadLetter, body []byte) (name string, removed []DeadLetter, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := int64(len(body))
	if size > b.maxSize {
		return "", nil, ErrTooLarge
	}
	b.forgetTakenLocked()
	for b.size+size > b.maxSize {
		oldest := b.files[0]
		if err := os.Remove(filepath.Join(b.dir, oldest.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", removed, err
		}
		b.files, b.size = b.files[1:], b.size-oldest.size
		was, _ := Parse(oldest.name)
		removed = append(removed, was)
	}
	at := now.UTC().Format(layout)
	for ; at <= b.last; now = now.Add(1) { // names are unique, and in the order of writing even if the clock steps back
		if at = now.UTC().Format(layout); at <= b.last {
			if last, err := time.Parse(layout, b.last); err == nil {
				now = last
			}
		}
	}
	name = fmt.Sprintf("%s-%s-%d-%s%s", at, l.Signal, l.Items, l.Reason, suffix)
	if err := durable.WriteFile(filepath.Join(b.dir, name), body, 0o600); err != nil {
		return "", removed, err
	}
	b.files, b.size, b.last = append(b.files, file{name, size}), b.size+size, at
	return name, removed, nil
}

// forgetTakenLocked forgets dead letters that somebody has moved or removed.
func (b *Box) forgetTakenLocked() {
	b.files = slices.DeleteFunc(b.files, func(f file) bool {
		_, err := os.Lstat(filepath.Join(b.dir, f.name))
		if errors.Is(err, fs.ErrNotExist) {
			b.size -= f.size
			return true
		}
		return false
	})
}

// Names returns the dead letters that existed when the box was opened or were put since, oldest first.
func (b *Box) Names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := make([]string, len(b.files))
	for i, f := range b.files {
		names[i] = f.name
	}
	return names
}

// Stored is a dead letter in the box.
type Stored struct {
	DeadLetter
	Name  string
	Time  time.Time // when it was put
	Bytes int64
}

// List returns the dead letters that Names returns, with what their names say.
func (b *Box) List() []Stored {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Stored, len(b.files))
	for i, f := range b.files {
		l, _ := Parse(f.name) // it was parsed before, or made here
		at, _, _ := strings.Cut(f.name, "-")
		put, _ := time.Parse(layout, at)
		all[i] = Stored{l, f.name, put, f.size}
	}
	return all
}

// Read returns the body of a dead letter.
func (b *Box) Read(name string) ([]byte, error) { return os.ReadFile(filepath.Join(b.dir, name)) }

// Remove removes a dead letter.
func (b *Box) Remove(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := os.Remove(filepath.Join(b.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.forgetTakenLocked()
	return nil
}

// Size returns the bytes of all dead letters.
func (b *Box) Size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// Parse parses the name of a dead letter: <time>-<signal>-<items>-<reason>.pb.
func Parse(name string) (DeadLetter, error) {
	base, ok := strings.CutSuffix(name, suffix)
	parts := strings.Split(base, "-")
	if !ok || len(parts) != 4 {
		return DeadLetter{}, fmt.Errorf("%q is not a dead letter", name)
	}
	if _, err := time.Parse(layout, parts[0]); err != nil {
		return DeadLetter{}, fmt.Errorf("%q is not a dead letter: %w", name, err)
	}
	items, err := strconv.Atoi(parts[2])
	if err != nil {
		return DeadLetter{}, fmt.Errorf("%q is not a dead letter: %w", name, err)
	}
	return DeadLetter{Signal: parts[1], Items: items, Reason: parts[3]}, nil
}
