package accumulate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// version is the first byte of a snapshot. After it: latest, swept, 1 if it is strict else 0, and per table the number of streams,
// then each stream's key, start, last, the number of recent times, how far each lies before last, and value. Integers are
// varints. Version 1 has no recent times, and is always strict.
const version = 2

var errCorrupt = errors.New("not a snapshot of running totals")

type encoder struct {
	w   io.Writer
	buf []byte
	err error
}

func (e *encoder) write() {
	if e.err == nil {
		_, e.err = e.w.Write(e.buf)
	}
	e.buf = e.buf[:0]
}

func (e *encoder) header(latest, swept int64, strict bool) {
	e.buf = append(e.buf, version)
	e.buf = binary.AppendVarint(binary.AppendVarint(e.buf, latest), swept)
	if strict {
		e.buf = binary.AppendVarint(e.buf, 1)
	} else {
		e.buf = binary.AppendVarint(e.buf, 0)
	}
	e.write()
}

func encodeTable[V any](e *encoder, t table[V], value func(V, []byte) []byte) {
	e.buf = binary.AppendUvarint(e.buf, uint64(len(t.streams)))
	e.write()
	for key, s := range t.streams {
		e.buf = key.Append(e.buf)
		e.buf = binary.AppendVarint(binary.AppendVarint(e.buf, s.start), s.last)
		e.buf = s.appendRecent(e.buf)
		e.buf = value(s.value, e.buf)
		e.write()
	}
}

// appendRecent writes the recent times that are known: those before the first 0.
func (s *stream[V]) appendRecent(b []byte) []byte {
	n := slices.Index(s.recent[:], 0)
	if n < 0 {
		n = remembered
	}
	b = binary.AppendVarint(b, int64(n))
	for _, t := range s.recent[:n] {
		b = binary.AppendVarint(b, s.last-t)
	}
	return b
}

type decoder struct {
	version byte
	b       []byte
	err     error
}

func newDecoder(r io.Reader) (*decoder, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 || b[0] < 1 || b[0] > version {
		return nil, fmt.Errorf("%w of version 1 to %d", errCorrupt, version)
	}
	return &decoder{version: b[0], b: b[1:]}, nil
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errCorrupt
	}
	d.b = nil
}

func (d *decoder) header() (latest, swept int64, strict bool) {
	latest, swept = d.varint(), d.varint()
	return latest, swept, d.version == 1 || d.varint() != 0
}

func decodeTable[V any](d *decoder, t table[V], value func(*V, []byte) ([]byte, error)) {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.fail()
		return
	}
	d.b = d.b[size:]
	for range n {
		if d.err != nil || len(d.b) < 16 {
			d.fail()
			return
		}
		key := streamkey.Decode(d.b)
		d.b = d.b[16:]
		var s stream[V]
		s.start, s.last = d.varint(), d.varint()
		s.decodeRecent(d)
		rest, err := value(&s.value, d.b)
		if err != nil {
			d.err = errors.Join(d.err, err)
			return
		}
		d.b = rest
		t.streams[key] = s
	}
}

func (s *stream[V]) decodeRecent(d *decoder) {
	if d.version == 1 {
		s.recent[0] = s.last
		return
	}
	n := d.varint()
	if n < 0 || n > remembered {
		d.fail()
		return
	}
	for i := range n {
		s.recent[i] = s.last - d.varint()
	}
}

func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail()
	}
	return d.err
}
