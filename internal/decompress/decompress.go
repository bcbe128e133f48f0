// Package decompress decompresses request bodies within bounds: of the output, of a window's memory, and of the number of concurrent
// decompressions. More of them than processors would only hold more memory.
package decompress

import (
	"bufio"
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
	"slices"
	"strings"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxWindow is the largest window of zstd, in bytes: the window of its strongest level when it does not know the size. A frame of a few bytes may
// request 512 MiB.
const maxWindow = 32 << 20

// ErrUnknown says that the encoding is not one of Encodings.
var ErrUnknown = errors.New("unknown encoding")

// ErrTooLarge says that the output is longer than it may be.
var ErrTooLarge = errors.New("too large after decompression")

// Encodings are the names of Content-Encoding that Body accepts, like confighttp.
var Encodings = []string{"gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4"}

// slots holds a token for each running decompression in the whole process, because the process shares the processors.
var slots = make(chan struct{}, runtime.GOMAXPROCS(0))

// Body decompresses body, to at most limit bytes. grow is called with the number of bytes before more memory is allocated; its error ends the
// decompression. Body waits for a slot until ctx ends.
func Body(ctx context.Context, encoding string, body []byte, limit int, grow func(int) error) ([]byte, error) {
	end, err := Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if encoding == "snappy" && !bytes.HasPrefix(body, framed) {
		return block(body, limit, grow)
	}
	r, err := Reader(encoding, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return ReadAll(r, min(limit, 4*len(body)+512), limit, grow)
}

// Begin waits for a slot to decompress something, until ctx ends. end returns the slot and must be called once.
func Begin(ctx context.Context) (end func(), err error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Encoding is the only encoding of a body, empty if it has none, or ErrUnknown. Names are compared without regard to case, and x-gzip is gzip (RFC
// 9110, 8.4.1).
func Encoding(h http.Header) (string, error) {
	found := ""
	for name := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case name == "" || name == "identity":
			continue
		case name == "x-gzip":
			name = "gzip"
		}
		if found != "" || !slices.Contains(Encodings, name) {
			return "", ErrUnknown
		}
		found = name
	}
	return found, nil
}

// framed is the beginning of a stream in snappy's framing format, which collectors used to send as "snappy".
var framed = []byte("\xff\x06\x00\x00sNaPpY")

// Reader decompresses body in one of Encodings while it is read. The caller must hold a slot.
func Reader(encoding string, body io.Reader) (io.ReadCloser, error) {
	switch encoding {
	case "gzip":
		return gzip.NewReader(body)
	case "zlib":
		return zlib.NewReader(body)
	case "deflate":
		return deflate(body)
	case "zstd":
		d, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case "snappy", "x-snappy-framed":
		return io.NopCloser(snappy.NewReader(body)), nil
	case "lz4":
		return io.NopCloser(lz4.NewReader(body)), nil
	default:
		return nil, fmt.Errorf("%w %q", ErrUnknown, encoding)
	}
}

// deflate decompresses zlib's format, which "deflate" means, and the bare stream that several clients send under that name (RFC 9110, 8.4.1.2).
func deflate(body io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReader(body)
	if head, err := buffered.Peek(2); err == nil && (head[0]&15 != 8 || (int(head[0])<<8|int(head[1]))%31 != 0) {
		return flate.NewReader(buffered), nil
	}
	return zlib.NewReader(buffered)
}

// block decompresses snappy's block format, which begins with its length.
func block(body []byte, limit int, grow func(int) error) ([]byte, error) {
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, ErrTooLarge
	}
	if err := grow(n); err != nil {
		return nil, err
	}
	return snappy.Decode(nil, body)
}

// ReadAll reads r into one piece of memory that begins with size bytes and doubles as it fills, to at most limit bytes. grow is called with the
// number of bytes before more is allocated.
func ReadAll(r io.Reader, size, limit int, grow func(int) error) ([]byte, error) {
	size = max(1, min(size, limit+1))
	if err := grow(size); err != nil {
		return nil, err
	}
	b := make([]byte, 0, size)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if len(b) > limit {
			return nil, ErrTooLarge
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			larger := min(2*cap(b), limit+1)
			if err := grow(larger - cap(b)); err != nil {
				return nil, err
			}
			b = append(make([]byte, 0, larger), b...)
		}
	}
}
