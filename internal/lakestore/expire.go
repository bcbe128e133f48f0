package lakestore

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// A Partition is what one directory of a lake holds: a tenant's rows of an hour of a signal.
type Partition struct {
	Hour   time.Time // its begin, in UTC
	Tenant string    // decoded; of a name that was cut, its beginning and a hash
}

// Undated reports whether p is where rows are that have no plausible time.
func (p Partition) Undated() bool { return p.Hour.Unix() == 0 }

// ParsePartition reads <signal>/date=YYYY-MM-DD/hour=HH/tenant=<t>, what PartitionDir makes.
func ParsePartition(dir string) (p Partition, ok bool) {
	parts := strings.Split(filepath.ToSlash(dir), "/")
	if len(parts) != 4 {
		return Partition{}, false
	}
	hour, err := time.Parse("date=2006-01-02/hour=15", parts[1]+"/"+parts[2])
	tenant, isTenant := strings.CutPrefix(parts[3], "tenant=")
	if err != nil || !isTenant {
		return Partition{}, false
	}
	if decoded, err := url.PathUnescape(tenant); err == nil {
		tenant = decoded
	}
	return Partition{hour, tenant}, true
}

// Expired says what is too old. For the undated partition of a tenant it is asked file by file, with the time at which the file was written, for all others
// once, with the time at which their hour ended.
type Expired func(p Partition, at time.Time) bool

// Expire implements Store. A directory is renamed below _tmp first, so that a reader sees all of it or nothing, and a killed process leaves only what the next
// start removes.
func (d *Dir) Expire(ctx context.Context, signal string, expired Expired) (files int, err error) {
	dirs, err := filepath.Glob(filepath.Join(d.root, signal, "date=*", "hour=*", "tenant=*"))
	if err != nil {
		return 0, &IOError{"list " + signal, err}
	}
	for _, dir := range dirs {
		if err := ctx.Err(); err != nil {
			return files, err
		}
		below, err := filepath.Rel(d.root, dir)
		if err != nil {
			return files, &IOError{"list " + signal, err}
		}
		p, ok := ParsePartition(below)
		var n int
		switch {
		case !ok:
		case p.Undated():
			n, err = expireFiles(dir, func(written time.Time) bool { return expired(p, written) })
		case expired(p, p.Hour.Add(time.Hour)):
			n, err = d.dropDir(dir)
		}
		files += n
		if err != nil {
			return files, &IOError{"remove " + below, err}
		}
	}
	return files, nil
}

// dropDir removes a directory of files, and its parents where they are empty then.
func (d *Dir) dropDir(dir string) (files int, err error) {
	to, err := os.MkdirTemp(d.tmp, "expired-")
	if err != nil {
		return 0, err
	}
	gone := filepath.Join(to, "partition")
	if err := os.Rename(dir, gone); err != nil {
		return 0, errors.Join(ignoreNotExist(err), os.Remove(to)) // another gateway was faster
	}
	d.forget()
	entries, err := os.ReadDir(gone)
	for _, parent := range []string{filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
		_ = os.Remove(parent) // fails where something is left
	}
	return len(entries), errors.Join(err, os.RemoveAll(to))
}

func expireFiles(dir string, expired func(written time.Time) bool) (files int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, ignoreNotExist(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || path.Ext(entry.Name()) != Extension {
			continue
		}
		if err != nil {
			return files, err
		}
		if !expired(info.ModTime()) {
			continue
		}
		if err := ignoreNotExist(os.Remove(filepath.Join(dir, entry.Name()))); err != nil {
			return files, err
		}
		files++
	}
	return files, nil
}
