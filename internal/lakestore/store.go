package lakestore

import (
	"context"
	"errors"
	"io"
)

// Extension is the extension of a lake's files.
const Extension = ".parquet"

// ErrNoCreate says that the storage can't create a file without replacing one: a file system without hard links, an object store without conditional writes.
var ErrNoCreate = errors.New("the storage can't create a file only if there is none")

// Store stores the files of a lake, in a directory or elsewhere: a reader sees each of them completely or not at all. Safe for concurrent use.
//
// Paths are below the root, with slashes. An error is an *IOError if the storage failed; it wraps fs.ErrNotExist if a file does not exist.
type Store interface {
	// Root names the lake. Stores of equal roots are one lake.
	Root() string
	// Write creates dir/<name>.parquet with the output of fill and returns when it is durable. An empty name becomes the SHA-256 (128 bits) of the
	// content: the same content written twice is one file. A file of that name is replaced. On an error nothing is visible, unless the store's
	// answer was lost; the error is an *IOError if the storage failed, else fill's error.
	Write(ctx context.Context, dir, name string, fill func(io.Writer) error) (Written, error)
	// Names calls each for the name of every file of a signal, without its extension, in no order. It lists all of them.
	Names(ctx context.Context, signal string, each func(name string)) error
	// List calls each for every file below dir, of any kind, in the order of their paths; for none if dir does not exist. An error of each ends it
	// and is returned.
	List(ctx context.Context, dir string, each func(File) error) error
	// Open returns a file to read. A later Write of its name doesn't change the content that is read. From an object store the whole file is
	// fetched into memory.
	Open(ctx context.Context, path string) (Reader, error)
	// Tail returns the last n bytes of a file, or all of a shorter one.
	Tail(ctx context.Context, path string, n int64) ([]byte, error)
	// Create creates a small file with content, unless the file exists. made says whether the file has content now: created by this call, or by an
	// earlier one whose answer was lost. So contents of different callers must differ. ErrNoCreate: this storage can't.
	Create(ctx context.Context, path string, content []byte) (made bool, err error)
	// Put creates or replaces a small file.
	Put(ctx context.Context, path string, content []byte) error
	// Move gives a file another path, and replaces a file there. It can be repeated.
	Move(ctx context.Context, from, to string) error
	// Remove deletes a file. A missing file is not an error.
	Remove(ctx context.Context, path string) error
	// Documents returns the small files of a directory whose name begins with an underscore, by name; none if it does not exist.
	Documents(ctx context.Context, dir string) (map[string][]byte, error)
	// PutDocument writes one of them, durably and atomically.
	PutDocument(ctx context.Context, dir, name string, content []byte) error
	// Drop removes a directory of files and returns how many it had. On a disk this is atomic; in an object store it happens file by file.
	Drop(ctx context.Context, dir string) (files int, err error)
	// Close ends the use of the lake; its files stay.
	Close() error
}

// Reader reads a file. Safe for concurrent use.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

var _ Store = (*Dir)(nil)
