package wal

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// File is the part of a segment's file that Log needs.
type File interface {
	Size() (int64, error)
	Sync() error
	Close() error
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Open opens a segment, or a directory.
func Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Log follows the segments of one directory. Notice is safe for concurrent use with everything; Measure and Sync are for one goroutine at a time.
// It holds the descriptors of the last segment and of all unsynced segments.
type Log struct {
	dir  string
	open func(name string) (File, error)

	mu       sync.Mutex
	segments []*segment // guarded by mu; ascending, the last one grows
	last     int        // guarded by mu; number of the newest segment that was noticed; -1: none yet
	entries  bool       // guarded by mu; the directory has entries that are not durable

	measured []measure
	end      Position // the durable part at the last good Sync
}

type segment struct {
	number int
	file   File
	synced int64
}

type measure struct {
	*segment
	size int64
}

// Follow returns the log in dir, with all existing segments. None of them counts as durable.
func Follow(dir string, open func(name string) (File, error)) (*Log, error) {
	l := &Log{dir: dir, open: open, last: -1, entries: true, end: None()}
	return l, l.Notice()
}

// Notice opens new segments. It costs one failed open if there is none. Call it after each write.
func (l *Log) Notice() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last < 0 {
		all, err := numbers(l.dir)
		if err != nil {
			return err
		}
		for _, n := range all {
			if _, err := l.add(n); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		if more, err := l.add(l.last + 1); err != nil || !more {
			return err
		}
	}
}

// add opens a segment; false if it does not exist.
func (l *Log) add(n int) (bool, error) {
	f, err := l.open(name(l.dir, n))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open segment %d: %w", n, err)
	}
	l.segments = append(l.segments, &segment{number: n, file: f})
	l.last, l.entries = n, true
	return true, nil
}

// Measure records the lengths of the segments: the next Sync makes that much durable. There must be no write in progress, so that the end lies
// between two records.
func (l *Log) Measure() error {
	if err := l.Notice(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.measured = l.measured[:0]
	for _, s := range l.segments {
		size, err := s.file.Size()
		if err != nil {
			return fmt.Errorf("size of segment %d: %w", s.number, err)
		}
		l.measured = append(l.measured, measure{s, size})
	}
	return nil
}

// Sync makes the measured part and the directory's entries durable. After an error, the state on disk is unknown beyond End.
func (l *Log) Sync() error {
	for _, m := range l.measured {
		if m.size == m.synced {
			continue
		}
		if err := m.file.Sync(); err != nil {
			return fmt.Errorf("fsync segment %d: %w", m.number, err)
		}
		m.synced = m.size
	}
	if err := l.syncEntries(); err != nil {
		return err
	}
	for _, m := range l.measured {
		if m.size > 0 || l.end == None() {
			l.end = Position{m.number, m.size}
		}
	}
	if n := len(l.measured); n > 0 {
		l.forget(n - 1)
	}
	return nil
}

func (l *Log) syncEntries() error {
	l.mu.Lock()
	due := l.entries
	l.entries = false
	l.mu.Unlock()
	if !due {
		return nil
	}
	err := l.syncDir()
	if err != nil {
		l.mu.Lock()
		l.entries = true
		l.mu.Unlock()
	}
	return err
}

func (l *Log) syncDir() error {
	d, err := l.open(l.dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = d.Close() }() // nothing was written through it
	if err := d.Sync(); err != nil {
		return fmt.Errorf("fsync directory: %w", err)
	}
	return nil
}

// forget closes the first n segments: they are complete and durable.
func (l *Log) forget(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments[:n] {
		_ = s.file.Close() // nothing was written through it
	}
	l.segments = append([]*segment(nil), l.segments[n:]...)
	l.measured = l.measured[:0]
}

// End is the end of the durable part: after the last segment that contains anything.
func (l *Log) End() Position { return l.end }

// Close closes the descriptors.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs error
	for _, s := range l.segments {
		errs = errors.Join(errs, s.file.Close())
	}
	l.segments, l.measured = nil, nil
	return errs
}
