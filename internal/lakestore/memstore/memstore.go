// Package memstore is a lake in memory for tests, with a fault at each step.
package memstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// ErrFault is the error of a fault by a Step.
var ErrFault = errors.New("a fault of the test")

// Store keeps files in memory. Views of it see the same files, each with its own faults.
type Store struct {
	all *files
	// Step is called before and after each request, without a lock. Its error replaces the answer; before a request, an error also prevents the
	// request.
	Step func(op, path string, after bool) error
	// Now is the clock of the store. Default: time.Now.
	Now func() time.Time
}

type files struct {
	mu sync.Mutex
	of map[string]entry // guarded by mu
}

type entry struct {
	content []byte
	at      time.Time
}

var _ lakestore.Store = (*Store)(nil)

// New returns an empty lake.
func New() *Store { return &Store{all: &files{of: map[string]entry{}}} }

// View returns a store of the same files, with its own faults.
func (s *Store) View(step func(op, path string, after bool) error) *Store {
	return &Store{all: s.all, Step: step, Now: s.Now}
}

// Root implements lakestore.Store.
func (s *Store) Root() string { return "memory" }

// Close implements lakestore.Store.
func (s *Store) Close() error { return nil }

// do is one request.
func (s *Store) do(op, path string, request func(of map[string]entry) error) error {
	if s.Step != nil {
		if err := s.Step(op, path, false); err != nil {
			return &lakestore.IOError{Op: op + " " + path, Err: err}
		}
	}
	s.all.mu.Lock()
	err := request(s.all.of)
	s.all.mu.Unlock()
	if s.Step != nil {
		if err := s.Step(op, path, true); err != nil {
			return &lakestore.IOError{Op: op + " " + path, Err: err}
		}
	}
	if err != nil {
		return &lakestore.IOError{Op: op + " " + path, Err: err}
	}
	return nil
}

func (s *Store) put(of map[string]entry, path string, content []byte) {
	at := time.Now()
	if s.Now != nil {
		at = s.Now()
	}
	of[path] = entry{content, at}
}

// Write implements lakestore.Store.
func (s *Store) Write(_ context.Context, dir, name string, fill func(io.Writer) error) (lakestore.Written, error) {
	var out bytes.Buffer
	if err := fill(&out); err != nil {
		return lakestore.Written{}, err
	}
	if name == "" {
		sum := sha256.Sum256(out.Bytes())
		name = hex.EncodeToString(sum[:16])
	}
	w := lakestore.Written{Path: path.Join(dir, name+lakestore.Extension), Bytes: int64(out.Len())}
	return w, s.do("write", w.Path, func(of map[string]entry) error {
		s.put(of, w.Path, out.Bytes())
		return nil
	})
}

// List implements lakestore.Store.
func (s *Store) List(_ context.Context, dir string, each func(lakestore.File) error) error {
	var all []lakestore.File
	err := s.do("list", dir, func(of map[string]entry) error {
		for name, e := range of {
			if strings.HasPrefix(name, dir+"/") {
				all = append(all, lakestore.File{Path: name, Bytes: int64(len(e.content)), Modified: e.at})
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b lakestore.File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range all {
		if err := each(f); err != nil {
			return err
		}
	}
	return err
}

// Names implements lakestore.Store.
func (s *Store) Names(ctx context.Context, signal string, each func(name string)) error {
	return s.List(ctx, signal, func(f lakestore.File) error {
		each(strings.TrimSuffix(f.Name(), lakestore.Extension))
		return nil
	})
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

// Tail implements lakestore.Store.
func (s *Store) Tail(_ context.Context, path string, n int64) (tail []byte, err error) {
	err = s.do("tail", path, func(of map[string]entry) error {
		e, ok := of[path]
		if !ok {
			return fs.ErrNotExist
		}
		tail = bytes.Clone(e.content[max(0, int64(len(e.content))-n):])
		return nil
	})
	return tail, err
}

// Open implements lakestore.Store.
func (s *Store) Open(_ context.Context, path string) (lakestore.Reader, error) {
	var content []byte
	err := s.do("open", path, func(of map[string]entry) error {
		e, there := of[path]
		if !there {
			return fs.ErrNotExist
		}
		content = e.content
		return nil
	})
	if err != nil {
		return nil, err
	}
	return reader{bytes.NewReader(content)}, nil
}

// Create implements lakestore.Store.
func (s *Store) Create(_ context.Context, path string, content []byte) (made bool, err error) {
	err = s.do("create", path, func(of map[string]entry) error {
		e, there := of[path]
		if made = !there || bytes.Equal(e.content, content); !there {
			s.put(of, path, bytes.Clone(content))
		}
		return nil
	})
	return made, err
}

// Put implements lakestore.Store.
func (s *Store) Put(_ context.Context, path string, content []byte) error {
	return s.do("put", path, func(of map[string]entry) error {
		s.put(of, path, bytes.Clone(content))
		return nil
	})
}

// Move implements lakestore.Store, as an object store does: a copy, then a deletion.
func (s *Store) Move(ctx context.Context, from, to string) error {
	err := s.do("copy", from, func(of map[string]entry) error {
		e, there := of[from]
		if _, moved := of[to]; !there && !moved {
			return fs.ErrNotExist
		}
		if there {
			s.put(of, to, e.content)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.Remove(ctx, from)
}

// Remove implements lakestore.Store.
func (s *Store) Remove(_ context.Context, path string) error {
	return s.do("remove", path, func(of map[string]entry) error {
		delete(of, path)
		return nil
	})
}

// Documents implements lakestore.Store.
func (s *Store) Documents(_ context.Context, dir string) (map[string][]byte, error) {
	all := map[string][]byte{}
	return all, s.do("documents", dir, func(of map[string]entry) error {
		for name, e := range of {
			if path.Dir(name) == dir {
				all[path.Base(name)] = e.content
			}
		}
		return nil
	})
}

// PutDocument implements lakestore.Store.
func (s *Store) PutDocument(ctx context.Context, dir, name string, content []byte) error {
	return s.Put(ctx, path.Join(dir, name), content)
}

// Drop implements lakestore.Store, as an object store does.
func (s *Store) Drop(ctx context.Context, dir string) (n int, err error) {
	err = s.List(ctx, dir, func(f lakestore.File) error {
		n++
		return s.Remove(ctx, f.Path)
	})
	return n, err
}
