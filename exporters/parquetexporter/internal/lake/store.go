package lake

import (
	"context"
	"io"
)

// Extension ends the names of a lake's files.
const Extension = ".parquet"

// Store keeps the files of a lake, in a directory or elsewhere: a reader sees each of them whole or not at all. Safe for concurrent use.
type Store interface {
	// Root names the lake. Stores of equal roots are one lake.
	Root() string
	// Write makes dir/<name>.parquet of what fill writes and returns when it is durable. An empty name becomes the SHA-256 (128 bits) of the content:
	// the same content written twice is one file. A file of that name is replaced. On an error nothing is visible, unless the store's answer was lost;
	// it is an *IOError when the storage failed, else what fill returned.
	Write(ctx context.Context, dir, name string, fill func(io.Writer) error) (Written, error)
	// Names calls each for the name of every file of a signal, without its extension, in no order. It lists all of them.
	Names(ctx context.Context, signal string, each func(name string)) error
	// Documents returns the small files of a directory whose name begins with an underscore, by name; none if it is not there.
	Documents(ctx context.Context, dir string) (map[string][]byte, error)
	// PutDocument writes one of them, durably and whole.
	PutDocument(ctx context.Context, dir, name string, content []byte) error
	// Expire removes the partitions of a signal that expired names, and returns how many files they had. Several processes may do so at once.
	Expire(ctx context.Context, signal string, expired Expired) (files int, err error)
	// Close ends the use of the lake; its files stay.
	Close() error
}

var _ Store = (*Dir)(nil)
