// Package durable writes and moves files so that a crash or a power cut leaves the old file or the new one, never a part of
// either, sets damaged files aside under a name that says so, and reads files that somebody else may have replaced by anything.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// asideMark is between the original name of a file that was set aside and the time.
const asideMark = ".damaged-"

// ReadFile returns the content of a regular file of at most so many bytes. It refuses everything else: a device may never end, and a pipe that
// no process writes to would block the reader for ever.
func ReadFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%q has more than %d bytes", path, most)
	}
	return content, err
}

// WriteFile makes the file at path hold data: it writes a temporary file beside it, fsyncs that, renames it and fsyncs the directory. On an error
// path stays unchanged.
func WriteFile(path string, data []byte, perm fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err != nil {
		return err
	}
	return Rename(f.Name(), path)
}

// Create makes the file at path hold data unless the file exists; made says which. The file is complete or absent at every moment, and if several
// processes call Create at once, one of them creates it.
func Create(path string, data []byte, perm fs.FileMode) (made bool, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err != nil {
		return false, err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, SyncDir(filepath.Dir(path))
}

// Rename moves a file durably: the directories of both names are fsynced.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	err := SyncDir(filepath.Dir(to))
	if filepath.Dir(from) != filepath.Dir(to) {
		err = errors.Join(err, SyncDir(filepath.Dir(from)))
	}
	return err
}

// SyncDir makes the names in dir durable. Windows has no such call; its file system relies on its own log.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// SetAside renames the file at path to a unique name beside it, <name>.damaged-<time>, and returns that. Afterwards there is no file at path.
func SetAside(path string, now time.Time) (aside string, err error) {
	if aside, err = asideName(path, now); err != nil {
		return "", err
	}
	return aside, Rename(path, aside)
}

// SetAsideIn is [SetAside] into another directory of the same file system, which it creates if it is missing.
func SetAsideIn(dir, path string, now time.Time) (aside string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if aside, err = asideName(filepath.Join(dir, filepath.Base(path)), now); err != nil {
		return "", err
	}
	return aside, Rename(path, aside)
}

// WriteAside writes data as a file that was set aside from path, and returns its name.
func WriteAside(path string, now time.Time, data []byte) (aside string, err error) {
	if aside, err = asideName(path, now); err != nil {
		return "", err
	}
	return aside, WriteFile(aside, data, 0o600)
}

// asideName is a name that no file has.
func asideName(path string, now time.Time) (string, error) {
	base := path + asideMark + now.UTC().Format("20060102T150405Z")
	for n := 1; n < 10_000; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("%s: too many files that were set aside", base)
}

// IsAside reports whether name is that of a file that was set aside.
func IsAside(name string) bool { return strings.Contains(filepath.Base(name), asideMark) }
