// Package room tells how much room a file system has.
package room

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFull and ErrReadOnly are wrapped by what Check returns.
var (
	ErrFull     = errors.New("disk full")
	ErrReadOnly = errors.New("file system is read-only")
)

// State is what a file system says of itself.
type State struct {
	Free, Total uint64 // bytes; Free is what an ordinary user may use
	ReadOnly    bool
}

// Guard knows whether a directory's file system has more than a reserve free. Safe for concurrent use.
type Guard struct {
	directory string
	reserve   uint64
	maxAge    time.Duration
	look      func(directory string) (State, error)

	mu    sync.Mutex
	asked time.Time // guarded by mu
	err   error     // guarded by mu
}

// NewGuard returns a guard of directory, which must exist. An answer of the file system counts for maxAge. look is Look, but in tests.
func NewGuard(directory string, reserve uint64, maxAge time.Duration, look func(directory string) (State, error)) *Guard {
	return &Guard{directory: directory, reserve: reserve, maxAge: maxAge, look: look}
}

// Check returns nil if something may be written.
func (g *Guard) Check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if !g.asked.IsZero() && now.Sub(g.asked) < g.maxAge {
		return g.err
	}
	g.asked = now
	g.err = g.ask()
	return g.err
}

func (g *Guard) ask() error {
	s, err := g.look(g.directory)
	switch {
	case err != nil:
		return fmt.Errorf("room of %q: %w", g.directory, err)
	case s.ReadOnly:
		return fmt.Errorf("%w: %q", ErrReadOnly, g.directory)
	case s.Free < g.reserve:
		return fmt.Errorf("%w: %s free of %s (%s are kept free: disk_reserve)", ErrFull, Bytes(s.Free), Bytes(s.Total), Bytes(g.reserve))
	}
	return nil
}

// Bytes writes a size for people.
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
