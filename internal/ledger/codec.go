package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// version is the version that Append writes. Read refuses later ones.
const version = 1

// ErrBook says that bytes are not a book, or a book of a later version.
var ErrBook = errors.New("not a ledger's book")

// Append appends b: version, then varints and texts with their length, in a fixed order, so that equal books have equal bytes.
func (b *Book) Append(dst []byte) []byte {
	dst = append(dst, version)
	for _, n := range []int64{b.First, b.Next, b.Lost, b.excepted} {
		dst = binary.AppendVarint(dst, n)
	}
	for v := range b.views {
		dst = binary.AppendUvarint(dst, uint64(len(b.views[v].cells)))
		for k, c := range b.Cells(View(v)) {
			dst = appendText(dst, k.Tenant)
			dst = binary.AppendVarint(dst, int64(k.Hour))
			dst = c.append(dst)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.created)))
	for h, c := range b.Created() {
		dst = c.append(binary.AppendVarint(dst, int64(h)))
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.exceptions)))
	for _, e := range b.exceptions {
		dst = binary.AppendVarint(binary.AppendVarint(dst, e.First), e.Next)
		dst = appendText(dst, e.Tenant)
		dst = binary.AppendVarint(binary.AppendVarint(dst, e.Stored), e.Folded)
		dst = binary.AppendUvarint(dst, uint64(len(e.Dropped)))
		for _, d := range e.Dropped {
			dst = binary.AppendVarint(appendText(dst, d.Reason), d.Items)
		}
	}
	return dst
}

func (c *Cell) append(dst []byte) []byte {
	for _, n := range []int64{c.Received, c.Stored, c.Folded} {
		dst = binary.AppendVarint(dst, n)
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Dropped)))
	for _, reason := range slices.Sorted(maps.Keys(c.Dropped)) {
		dst = binary.AppendVarint(appendText(dst, reason), c.Dropped[reason])
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Read returns a book that Append wrote. The error wraps ErrBook.
func Read(data []byte) (*Book, error) {
	if len(data) == 0 || data[0] != version {
		return nil, fmt.Errorf("%w: version %v, this release reads %d", ErrBook, data[:min(1, len(data))], version)
	}
	r := reader{rest: data[1:]}
	b := NewBook(r.int())
	b.Next, b.Lost, b.excepted = r.int(), r.int(), r.int()
	for v := range b.views {
		for range r.count() {
			k := Key{Tenant: r.text()}
			k.Hour = Hour(r.int())
			b.views[v].put(k, r.cell())
		}
	}
	for range r.count() {
		h := Hour(r.int())
		b.created[h] = r.cell()
	}
	for range r.count() {
		e := Exception{First: r.int(), Next: r.int(), Tenant: r.text()}
		e.Stored, e.Folded = r.int(), r.int()
		for range r.count() {
			e.Dropped = append(e.Dropped, Drop{Reason: r.text(), Items: r.int()})
		}
		b.exceptions = append(b.exceptions, e)
	}
	if r.failed || len(r.rest) > 0 {
		return nil, fmt.Errorf("%w: damaged, %d bytes are left of %d", ErrBook, len(r.rest), len(data))
	}
	return b, nil
}

// reader reads the output of Append; after a failure every result is zero.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) fail() {
	r.failed, r.rest = true, nil
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// count reads a number of elements, each of which takes at least one byte.
func (r *reader) count() int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *reader) text() string {
	n := r.count()
	if n > len(r.rest) {
		r.fail()
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reader) cell() *Cell {
	c := &Cell{Received: r.int(), Stored: r.int(), Folded: r.int()}
	for range r.count() {
		reason := r.text()
		n := r.int()
		if c.Dropped == nil {
			c.Dropped = map[string]int64{}
		}
		c.Dropped[reason] = n
	}
	return c
}
