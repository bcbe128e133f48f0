package iceberg

import "context"

// Store is where a lake lies. Names are paths below its root, with slashes.
type Store interface {
	// List calls each for every file below a directory. A file that was there before List began, and stays, is listed.
	List(ctx context.Context, dir string, each func(Object)) error
	// Read returns a whole file; an error that is fs.ErrNotExist if it is not there.
	Read(ctx context.Context, name string) ([]byte, error)
	// Create makes a file, durably and whole, if there is none of that name; otherwise it returns an error that is fs.ErrExist. On any other
	// error the file may be there or not.
	Create(ctx context.Context, name string, content []byte) error
	// Remove deletes a file. One that is not there is no error.
	Remove(ctx context.Context, name string) error
}

// Object is a file of a Store.
type Object struct {
	Name  string
	Bytes int64
}
