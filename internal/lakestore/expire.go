package lakestore

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Partition is the content of one directory of a lake: a tenant's rows of an hour of a signal.
type Partition struct {
	Hour   time.Time // its beginning, in UTC
	Tenant string    // decoded; of a truncated name, its beginning and a hash
}

// Undated reports whether p holds the rows without a plausible time.
func (p Partition) Undated() bool { return p.Hour.Unix() == 0 }

// ParsePartition parses <signal>/date=YYYY-MM-DD/hour=HH/tenant=<t>, the result of PartitionDir.
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

// Drop implements Store. It first renames the directory below _tmp, so that a reader sees all of it or nothing, and after a kill the next start
// removes the rest.
func (d *Dir) Drop(_ context.Context, dir string) (files int, err error) {
	n, err := d.dropDir(filepath.Join(d.root, filepath.FromSlash(dir)))
	return n, wrap("remove "+dir, err)
}

// dropDir removes a directory of files, and its parents if they are empty then.
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
		_ = os.Remove(parent) // fails if it is not empty
	}
	return len(entries), errors.Join(err, os.RemoveAll(to))
}
