// Package compressor wraps grpc's registered compressors, so that the number of messages that are decompressed at once is bounded together with the
// bodies that internal/decompress handles. Importing it is enough.
package compressor

import (
	"context"
	"io"
	"sync"

	_ "go.opentelemetry.io/collector/config/configgrpc" // registers what is wrapped below: gzip, snappy, zstd
	"google.golang.org/grpc/encoding"

	"github.com/penstockhq/penstock/internal/decompress"
)

// grpc finds compressors in a registry that may be written only during initialization, and decompresses a message before any other hook of a server
// sees it. So this is the only place where the number of concurrent decompressions can be bounded.
func init() {
	for _, name := range []string{"gzip", "snappy", "zstd"} {
		if c := encoding.GetCompressor(name); c != nil {
			encoding.RegisterCompressor(&compressor{c})
		}
	}
}

// compressor decompresses one message per processor at once; others wait. The message has arrived completely by then, so none of them waits for a
// client. Decompressing in pieces, with other work in between, would hold a processor's slot; grpc does not do that.
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

// open bounds the window that a zstd frame may request.
func (c *compressor) open(r io.Reader) (io.Reader, error) {
	if c.Name() == "zstd" {
		return decompress.Reader("zstd", r)
	}
	return c.Compressor.Decompress(r)
}

// expanding releases its slot at the end, at an error, and when grpc closes it because the limit is reached.
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
