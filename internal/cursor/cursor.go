// Package cursor decodes the saved bytes of components: varints, fixed integers, strings and byte sequences, in the order in which
// encoding/binary's Append functions wrote them.
package cursor

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCorrupt is wrapped by a Reader's error.
var ErrCorrupt = errors.New("corrupt encoding")

// Reader reads from the front of its bytes. After the first error every read returns zero, so a caller checks Err at the end, and wherever a count
// that it read bounds a loop. Bytes are not copied. It is not safe for concurrent use; the zero value is an empty input.
type Reader struct {
	b   []byte
	err error
}

// New returns a reader of b, which it does not change.
func New(b []byte) *Reader { return &Reader{b: b} }

// Rest returns the unread bytes, nil after an error.
func (r *Reader) Rest() []byte { return r.b }

// Skip continues with rest, the part of the present rest that another decoder left.
func (r *Reader) Skip(rest []byte) { r.b = rest }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Fail makes the reader fail, if it has not yet: what names the invalid part.
func (r *Reader) Fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrCorrupt)
	}
	r.b = nil
}

// Varint reads a signed varint.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.Fail("number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Uvarint reads an unsigned varint.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.Fail("number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint64 reads eight bytes, little endian.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Bytes reads n bytes, which alias the input; nil if there are fewer.
func (r *Reader) Bytes(n uint64) []byte {
	if n > uint64(len(r.b)) || r.err != nil {
		r.Fail("length")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// Block reads a length and that many bytes.
func (r *Reader) Block() []byte { return r.Bytes(r.Uvarint()) }

// String reads a length and a string.
func (r *Reader) String() string { return string(r.Block()) }

// AppendBlock writes the form that Block and String read.
func AppendBlock[T []byte | string](b []byte, block T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(block))), block...)
}
