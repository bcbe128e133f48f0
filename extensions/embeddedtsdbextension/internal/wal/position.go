// Package wal makes the segments of Prometheus' write-ahead logs durable, and checks them before Prometheus opens them.
//
// A log is a directory of files named by ascending numbers. Only the last one grows, by appends. Prometheus writes them; this package has its own
// descriptors, because Linux reports a failed write-back once to every descriptor that was open at that time.
package wal

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Position is the end of a log: a segment and a number of bytes in it.
type Position struct {
	Segment int   `json:"segment"`
	Offset  int64 `json:"offset"`
}

// Before reports whether p is before q.
func (p Position) Before(q Position) bool {
	return cmp.Or(cmp.Compare(p.Segment, q.Segment), cmp.Compare(p.Offset, q.Offset)) < 0
}

// String is segment and offset.
func (p Position) String() string { return fmt.Sprintf("segment %d, byte %d", p.Segment, p.Offset) }

// None is the end of a log without segments.
func None() Position { return Position{Segment: -1} }

func name(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("%08d", n)) }

// numbers returns the segments of dir in order; none if there is no such directory.
func numbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	var all []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && e.Type().IsRegular() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// End returns the end of the log in dir: after the last segment that contains anything, or else before the first one. Prometheus removes complete
// segments that it no longer needs.
func End(dir string) (Position, error) {
	all, err := numbers(dir)
	if err != nil {
		return None(), err
	}
	for _, n := range slices.Backward(all) {
		info, err := os.Stat(name(dir, n))
		if err != nil {
			return None(), err
		}
		if info.Size() > 0 {
			return Position{n, info.Size()}, nil
		}
	}
	if len(all) == 0 {
		return None(), nil
	}
	return Position{all[0], 0}, nil
}
