// Package disk is the only access to the file system for everything that the embedded broker stores. Tests replace it by a file system that tears
// writes, fills up, fails and forgets unflushed data.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Permissions of new files and directories.
const (
	FileMode      = 0o600
	DirectoryMode = 0o700
)

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Truncate sets the size.
	Truncate(size int64) error
	// Sync returns when all written data is on disk. After an error, the state on disk of everything written since the last successful Sync is
	// unknown, although reads may still return it.
	Sync() error
	// Size returns the size in bytes.
	Size() (int64, error)
}

// Entry is an entry of a directory.
type Entry struct {
	Name      string
	Directory bool
	Size      int64
	Modified  time.Time
}

// FS is a file system. Names are paths as the operating system writes them. A missing file is an error for which errors.Is(err, fs.ErrNotExist)
// holds. A new name is on disk once its directory was synced. It is safe for concurrent use.
type FS interface {
	// Open opens a file for reading and writing. With create it creates the file if it is missing.
	Open(name string, create bool) (File, error)
	ReadDirectory(name string) ([]Entry, error)
	MakeDirectory(name string) error
	Rename(from, to string) error
	Remove(name string) error
	SyncDirectory(name string) error
	// Free returns how many bytes can still be written.
	Free(name string) (int64, error)
}

// OS is the operating system's file system.
type OS struct{}

var _ FS = OS{}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Open implements [FS].
func (OS) Open(name string, create bool) (File, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE
	}
	f, err := os.OpenFile(name, flag, FileMode)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// ReadDirectory implements [FS].
func (OS) ReadDirectory(name string) ([]Entry, error) {
	list, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	out := make([]Entry, 0, len(list))
	for _, e := range list {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Entry{Name: e.Name(), Directory: e.IsDir(), Size: info.Size(), Modified: info.ModTime()})
	}
	return out, nil
}

// MakeDirectory implements [FS]. It also creates the parents.
func (OS) MakeDirectory(name string) error { return os.MkdirAll(name, DirectoryMode) }

// Rename implements [FS].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements [FS].
func (OS) Remove(name string) error { return os.Remove(name) }

// Free implements [FS].
func (OS) Free(name string) (int64, error) { return freeBytes(name) }

// ReadFile returns the whole content of a file of at most most bytes.
func ReadFile(fsys FS, name string, most int64) ([]byte, error) {
	f, err := fsys.Open(name, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("larger than any such file can be")}
	}
	out := make([]byte, size)
	n, err := f.ReadAt(out, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return out[:n], err
}

// WriteFile replaces a file: after a crash it has the old content or the new; after a return without error it has the new content.
func WriteFile(fsys FS, name string, content []byte) error {
	if err := ReplaceFile(fsys, name, content); err != nil {
		return err
	}
	return fsys.SyncDirectory(filepath.Dir(name))
}

// ReplaceFile is WriteFile for a caller that syncs the directory itself.
func ReplaceFile(fsys FS, name string, content []byte) error {
	temporary := name + ".tmp"
	f, err := fsys.Open(temporary, true)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(content, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fsys.Rename(temporary, name)
}
