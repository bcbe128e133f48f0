package compressor_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"runtime"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/encoding"

	_ "github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/compressor"
	"github.com/penstockhq/penstock/internal/decompress"
)

func compress(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch name {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "snappy":
		w = snappy.NewBufferedWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		require.NoError(t, err)
		w = z
	}
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func readAll(c encoding.Compressor, body []byte) ([]byte, error) {
	r, err := c.Decompress(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.(io.Closer).Close()
	return io.ReadAll(r)
}

// A frame of zstd may request a window of 2^(10+exponent) bytes; 32 MiB is the largest accepted one.
func TestWindowsOfZstdAreBounded(t *testing.T) {
	_, err := readAll(encoding.GetCompressor("zstd"), []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 16 << 3, 0x23, 0x00, 0x00, 0x00})
	assert.ErrorIs(t, err, zstd.ErrWindowSizeExceeded)
}

// Every end of a message gives its turn back: many more messages than processors pass one after the other.
func TestMessagesGiveTheirTurnBack(t *testing.T) {
	for _, name := range []string{"gzip", "snappy", "zstd"} {
		c := encoding.GetCompressor(name)
		body := compress(t, name, "hello")
		for range 100 {
			got, err := readAll(c, body)
			require.NoError(t, err, name)
			assert.Equal(t, "hello", string(got))
			r, err := c.Decompress(bytes.NewReader(body)) // closed before its end, as grpc does if it is too large
			require.NoError(t, err)
			require.NoError(t, r.(io.Closer).Close())
			_, err = readAll(c, []byte("this is not compressed"))
			require.Error(t, err, name)
		}
	}
}

// Bodies over HTTP and messages over gRPC share the turns.
func TestBodiesWaitForMessages(t *testing.T) {
	c := encoding.GetCompressor("gzip")
	body := compress(t, "gzip", "hello")
	for range runtime.GOMAXPROCS(0) {
		r, err := c.Decompress(bytes.NewReader(body))
		require.NoError(t, err)
		defer r.(io.Closer).Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := decompress.Body(ctx, "gzip", body, 100, func(int) error { return nil })
	assert.ErrorIs(t, err, context.Canceled)
}
