// Package compressor wraps the compressors that grpc has registered, so that the messages that are expanded at once are bounded together with the bodies
// that internal/decompress expands. Importing it is enough.
package compressor

import (
	"context"
	"io"
	"sync"

	_ "go.opentelemetry.io/collector/config/configgrpc" // registers what is wrapped below: gzip, snappy, zstd
	"google.golang.org/grpc/encoding"

	"github.com/penstockhq/penstock/internal/decompress"
)

// grpc looks compressors up in a registry that may be written during initialization only, and expands a message before anything else
// that a server can be given sees it. So this is the one place where the number of messages that are expanded at once can be bounded.
func init() {
	for _, name := range []string{"gzip", "snappy", "zstd"} {
		if c := encoding.GetCompressor(name); c != nil {
			encoding.RegisterCompressor(&compressor{c})
		}
	}
}

// compressor expands one message for each processor at once; others wait. The message has arrived whole by then, so none of them waits
// for a client. Expanding a message in pieces, with other work in between, would keep a processor's turn; grpc does not.
type compressor struct {
	encoding.Compressor
}

func (c *compressor) Decompress(r io.Reader) (io.Reader, error) {
	free, err := decompress.Begin(context.Background())
	if err != nil {
		return nil, err
	}
	free = sync.OnceFunc(free)
	inner, err := c.open(r)
	if err != nil {
		free()
		return nil, err
	}
	return &expanding{Reader: inner, free: free}, nil
}

// open bounds the window that a frame of zstd may ask for.
func (c *compressor) open(r io.Reader) (io.Reader, error) {
	if c.Name() == "zstd" {
		return decompress.Reader("zstd", r)
	}
	return c.Compressor.Decompress(r)
}

// expanding gives its turn back at the end, at an error, and when grpc closes it because the limit is reached.
type expanding struct {
	io.Reader
	free func()
}

func (e *expanding) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err != nil {
		e.free()
	}
	return n, err
}

func (e *expanding) Close() error {
	defer e.free()
	if c, ok := e.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
