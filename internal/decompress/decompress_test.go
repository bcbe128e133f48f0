package decompress_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/decompress"
)

func compress(t testing.TB, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch name {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib", "deflate":
		w = zlib.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		require.NoError(t, err)
		w = z
	case "snappy":
		return snappy.Encode(nil, []byte(text))
	case "x-snappy-framed":
		w = snappy.NewBufferedWriter(&b)
	case "lz4":
		w = lz4.NewWriter(&b)
	}
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestBody(t *testing.T) {
	const limit = 1 << 20
	honest := strings.Repeat("a line of a log\n", 1000)
	bomb := strings.Repeat("\x00", 20<<20)
	for _, name := range decompress.Encodings {
		taken := 0
		grow := func(n int) error { taken += n; return nil }
		got, err := decompress.Body(t.Context(), name, compress(t, name, honest), limit, grow)
		require.NoError(t, err, name)
		assert.Equal(t, honest, string(got), name)
		assert.LessOrEqual(t, taken, 4*len(honest), name)

		taken = 0
		_, err = decompress.Body(t.Context(), name, compress(t, name, bomb), limit, grow)
		assert.ErrorIs(t, err, decompress.ErrTooLarge, name)
		assert.LessOrEqual(t, taken, limit+1, "%s: no more memory than the limit", name)

		full := errors.New("full")
		_, err = decompress.Body(t.Context(), name, compress(t, name, honest), limit, func(int) error { return full })
		assert.ErrorIs(t, err, full, name)

		_, err = decompress.Body(t.Context(), name, []byte("this is not compressed"), limit, grow)
		assert.Error(t, err, name)
		_, err = decompress.Body(t.Context(), name, nil, limit, grow)
		if err == nil {
			assert.Contains(t, []string{"lz4", "zstd", "x-snappy-framed"}, name, "an empty stream is one for these")
		}
	}
	framed, err := decompress.Body(t.Context(), "snappy", compress(t, "x-snappy-framed", honest), limit, func(int) error { return nil })
	require.NoError(t, err)
	assert.Equal(t, honest, string(framed), "collectors used to send frames as snappy")
	_, err = decompress.Body(t.Context(), "br", nil, limit, func(int) error { return nil })
	assert.ErrorIs(t, err, decompress.ErrUnknown)
}

// window is a frame of zstd that requests a window of 2^(10+exponent) bytes and has one block of four zeros.
func window(exponent byte) []byte {
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, exponent << 3, 0x23, 0x00, 0x00, 0x00}
}

func TestWindowsOfZstdAreBounded(t *testing.T) {
	got, err := decompress.Body(t.Context(), "zstd", window(15), 100, func(int) error { return nil })
	require.NoError(t, err, "32 MiB")
	assert.Equal(t, make([]byte, 4), got)
	_, err = decompress.Body(t.Context(), "zstd", window(16), 100, func(int) error { return nil })
	assert.ErrorIs(t, err, zstd.ErrWindowSizeExceeded)
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	for range runtime.GOMAXPROCS(0) {
		end, err := decompress.Begin(t.Context())
		require.NoError(t, err)
		defer end()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := decompress.Body(ctx, "gzip", compress(t, "gzip", "hello"), 100, func(int) error { return nil })
	assert.ErrorIs(t, err, context.Canceled)
}

// Clients send the bare stream as "deflate" too.
func TestDeflateWithoutZlib(t *testing.T) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	require.NoError(t, err)
	_, err = io.WriteString(w, "hello hello hello")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	got, err := decompress.Body(t.Context(), "deflate", b.Bytes(), 100, func(int) error { return nil })
	require.NoError(t, err)
	assert.Equal(t, "hello hello hello", string(got))
}

func TestEncoding(t *testing.T) {
	for header, want := range map[string]string{"": "", "identity": "", "GZIP": "gzip", "x-gzip": "gzip", " zstd , identity": "zstd"} {
		got, err := decompress.Encoding(http.Header{"Content-Encoding": {header}})
		require.NoError(t, err, header)
		assert.Equal(t, want, got, header)
	}
	for _, header := range []string{"br", "gzip, gzip", "gzip;q=1"} {
		_, err := decompress.Encoding(http.Header{"Content-Encoding": {header}})
		assert.ErrorIs(t, err, decompress.ErrUnknown, header)
	}
}

func ExampleBody() {
	got, err := decompress.Body(context.Background(), "snappy", snappy.Encode(nil, []byte("hello")), 100, func(int) error { return nil })
	fmt.Println(string(got), err)
	// Output: hello <nil>
}
