package lakestore

import (
	"context"
	"io"
)

// Extension ends the names of a lake's files.
const Extension = ".parquet"

// Store keeps the files of a lake, in a directory or elsewhere: a reader sees each of them whole or not at all. Safe for concurrent use.
//
// Paths are below the root, with slashes. An error is an *IOError when the storage failed; it wraps fs.ErrNotExist where a file is not there.
type Store interface {
	// Root names the lake. Stores of equal roots are one lake.
	Root() string
	// Write makes dir/<name>.parquet of what fill writes and returns when it is durable. An empty name becomes the SHA-256 (128 bits) of the content:
	// the same content written twice is one file. A file of that name is replaced. On an error nothing is visible, unless the store's answer was lost;
	// it is an *IOError when the storage failed, else what fill returned.
	Write(ctx context.Context, dir, name string, fill func(io.Writer) error) (Written, error)
	// Names calls each for the name of every file of a signal, without its extension, in no order. It lists all of them.
	Names(ctx context.Context, signal string, each func(name string)) error
	// List calls each for every file below dir, of any kind, in the order of their paths; for none if dir is not there. An error of each ends it and is returned.
	List(ctx context.Context, dir string, each func(File) error) error
	// Open returns a file to read from. A later Write of its name doesn't change what is read. In front of an object store all of it is fetched, into memory.
	Open(ctx context.Context, path string) (Reader, error)
	// Tail returns the last n bytes of a file, or all of a shorter one.
	Tail(ctx context.Context, path string, n int64) ([]byte, error)
	// Create makes a small file of content, unless there is one. It tells whether content is there now: made by this call, or by an earlier one whose answer
	// was lost. So contents of different callers have to differ.
	Create(ctx context.Context, path string, content []byte) (made bool, err error)
	// Put makes or replaces a small file.
	Put(ctx context.Context, path string, content []byte) error
	// Move gives a file another path, and replaces what is there. It can be repeated.
	Move(ctx context.Context, from, to string) error
	// Remove deletes a file. One that is not there is no error.
	Remove(ctx context.Context, path string) error
	// Documents returns the small files of a directory whose name begins with an underscore, by name; none if it is not there.
	Documents(ctx context.Context, dir string) (map[string][]byte, error)
	// PutDocument writes one of them, durably and whole.
	PutDocument(ctx context.Context, dir, name string, content []byte) error
	// Drop removes a directory of files and returns how many it had. On a disk it goes at once, in front of an object store file by file.
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
