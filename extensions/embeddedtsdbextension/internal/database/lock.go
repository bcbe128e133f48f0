package database

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// ErrInUse says that another process, or another extension of this process, uses the directory.
var ErrInUse = errors.New("in use by another process (or by another embedded_tsdb in this one)")

// Lock creates directory if it is missing and takes the lock that Prometheus itself takes there, so that neither a second collector nor a
// Prometheus uses it. The file stays after release: if it were removed, two owners could hold two files.
func Lock(directory string) (release func() error, err error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("make %q: %w", directory, err)
	}
	name := filepath.Join(directory, "lock")
	l, _, err := fileutil.Flock(name)
	if err != nil {
		if f, openErr := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); openErr != nil {
			return nil, fmt.Errorf("lock %q: %w", directory, openErr)
		} else if closeErr := f.Close(); closeErr != nil {
			return nil, fmt.Errorf("lock %q: %w", directory, closeErr)
		}
		return nil, fmt.Errorf("%q is %w: %w", directory, ErrInUse, err)
	}
	return l.Release, nil
}
