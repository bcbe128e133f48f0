//go:build unix

package disk

import (
	"errors"
	"os"
	"syscall"
)

// freeBytes returns how much an unprivileged process can still write to the file system of a directory.
func freeBytes(directory string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(directory, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// SyncDirectory implements [FS].
func (OS) SyncDirectory(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
