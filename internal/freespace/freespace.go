// Package freespace reports the free space of a file system.
package freespace

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFull and ErrReadOnly are wrapped by errors of Check.
var (
	ErrFull     = errors.New("disk full")
	ErrReadOnly = errors.New("file system is read-only")
)

// State is the state that a file system reports.
type State struct {
	Free, Total uint64 // bytes; Free is what an unprivileged user may use
	ReadOnly    bool
}

// Checker says whether a directory's file system has more free space than a reserve. Safe for concurrent use.
type Checker struct {
	directory string
	reserve   uint64
	maxAge    time.Duration
	stat      func(directory string) (State, error)

	mu      sync.Mutex
	checked time.Time // guarded by mu
	err     error     // guarded by mu
}

// NewChecker returns a checker of directory, which must exist. A result is reused for maxAge. stat is Look, except in tests.
func NewChecker(directory string, reserve uint64, maxAge time.Duration, stat func(directory string) (State, error)) *Checker {
	return &Checker{directory: directory, reserve: reserve, maxAge: maxAge, stat: stat}
}

// Check returns nil if writes are allowed.
func (c *Checker) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.checked.IsZero() && now.Sub(c.checked) < c.maxAge {
		return c.err
	}
	c.checked = now
	c.err = c.query()
	return c.err
}

func (c *Checker) query() error {
	s, err := c.stat(c.directory)
	switch {
	case err != nil:
		return fmt.Errorf("read the free space of %q: %w", c.directory, err)
	case s.ReadOnly:
		return fmt.Errorf("%w: %q", ErrReadOnly, c.directory)
	case s.Free < c.reserve:
		return fmt.Errorf("%w: %s free of %s (%s are kept free: disk_reserve)", ErrFull, Bytes(s.Free), Bytes(s.Total), Bytes(c.reserve))
	}
	return nil
}

// Bytes formats a size for people.
func Bytes(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
