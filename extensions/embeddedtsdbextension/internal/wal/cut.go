package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstockhq/penstock/internal/durable"
)

// Removed is what a cut removed from a log.
type Removed struct {
	Bytes    int64
	Segments int
}

// Cut ends the log in dir at end, durably: everything after it is removed. Segments after the one of end move to aside, if aside is not empty and
// they contain anything; otherwise they are deleted. The first segment is emptied instead. After a failure, a second call completes the work.
func Cut(dir string, end Position, aside string) (r Removed, err error) {
	all, err := numbers(dir)
	if err != nil {
		return r, err
	}
	for i := len(all) - 1; i >= 0 && all[i] >= end.Segment; i-- { // from the end, so that the numbers stay consecutive
		file := name(dir, all[i])
		info, err := os.Stat(file)
		if err != nil {
			return r, err
		}
		switch {
		case all[i] == end.Segment && info.Size() <= end.Offset:
			continue
		case i == 0 && all[i] > end.Segment: // It stays, because otherwise the log would start at 0 again, before its own checkpoint.
			r.Bytes += info.Size()
			err = truncate(file, 0)
		case all[i] == end.Segment:
			r.Bytes += info.Size() - end.Offset
			err = truncate(file, end.Offset)
		case aside != "" && info.Size() > 0:
			r.Bytes += info.Size()
			r.Segments++
			err = move(file, aside)
		default:
			r.Bytes += info.Size()
			r.Segments++
			err = os.Remove(file)
		}
		if err != nil {
			return r, fmt.Errorf("cut segment %d: %w", all[i], err)
		}
	}
	if len(all) == 0 {
		return r, nil
	}
	return r, durable.SyncDir(dir)
}

// DropEmpty removes the empty segments at the end of the log in dir, except the first segment: each open creates one, and the storage on a failing
// disk is opened often.
func DropEmpty(dir string) error {
	all, err := numbers(dir)
	if err != nil {
		return err
	}
	for i := len(all) - 1; i > 0; i-- {
		info, err := os.Stat(name(dir, all[i]))
		if err != nil || info.Size() > 0 {
			return err
		}
		if err := os.Remove(name(dir, all[i])); err != nil {
			return err
		}
	}
	return nil
}

func truncate(file string, size int64) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

func move(file, aside string) error {
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	if err := os.Rename(file, filepath.Join(aside, filepath.Base(file))); err != nil {
		return err
	}
	return durable.SyncDir(aside)
}
