package rollup

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// encodeChunk is how much is buffered before it is written.
const encodeChunk = 64 << 10

// encoder writes until the first error. Code that writes much calls flush now and then.
type encoder struct {
	w   io.Writer
	b   []byte
	err error
}

func (e *encoder) flush(atLeast int) {
	if len(e.b) < atLeast {
		return
	}
	if e.err == nil {
		_, e.err = e.w.Write(e.b)
	}
	e.b = e.b[:0]
}

func (e *encoder) uvarint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) varint(v int64)   { e.b = binary.AppendVarint(e.b, v) }

func (e *encoder) bool(v bool) {
	if v {
		e.b = append(e.b, 1)
		return
	}
	e.b = append(e.b, 0)
}

func (e *encoder) text(s string) {
	e.b = appendString(e.b, s)
	e.flush(encodeChunk)
}

func (e *encoder) bytes(b []byte) {
	e.uvarint(uint64(len(b)))
	e.b = append(e.b, b...)
	e.flush(encodeChunk)
}

func (e *encoder) json(v any) {
	raw, err := json.Marshal(v)
	if err != nil && e.err == nil {
		e.err = err
	}
	e.text(string(raw))
}

func (e *encoder) run(k streamkey.Key, start, time int64) {
	e.b = k.Append(e.b)
	e.varint(time)
	e.varint(time - start)
	e.flush(encodeChunk)
}

// frame writes the non-empty cells, each preceded by its distance from the previous one.
func (e *encoder) frame(p *aggregate.Plan, f *frame) {
	n := 0
	for range f.cells(p) {
		n++
	}
	e.uvarint(uint64(n))
	last := uint32(0)
	for slot, c := range f.cells(p) {
		e.uvarint(uint64(slot - last))
		last = slot
		e.b = c.Append(e.b)
		e.flush(encodeChunk)
	}
}

func (e *encoder) panes(p *aggregate.Plan, panes *window.Panes[frame]) {
	e.uvarint(uint64(panes.Len()))
	for start, f := range panes.All() {
		e.varint(start)
		e.frame(p, f)
	}
}

// decoder reads until the first error, and returns zeros from then on.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: damaged at %s, %d bytes before its end", ErrState, what, len(d.b))
	}
	d.b = nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("a number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("a number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// time reads the start of a pane or window. Times far away, which no point can have, would overflow.
func (d *decoder) time() int64 {
	t := d.varint()
	if t < 0 || t > math.MaxInt64/2 {
		d.fail("a time")
		return 0
	}
	return t
}

func (d *decoder) key() streamkey.Key {
	const size = 16
	if len(d.b) < size {
		d.fail("a key")
		return streamkey.Key{}
	}
	k := streamkey.Decode(d.b)
	d.b = d.b[size:]
	return k
}

func (d *decoder) bool() bool {
	if len(d.b) == 0 {
		d.fail("a flag")
		return false
	}
	v := d.b[0] == 1
	d.b = d.b[1:]
	return v
}

// length reads the number of elements that follow, each of which takes at least a byte.
func (d *decoder) length() uint64 {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail("a length")
		return 0
	}
	return n
}

func (d *decoder) text() string { return string(d.bytes()) }

// bytes reads a text, which is valid as long as the data.
func (d *decoder) bytes() []byte {
	n := d.length()
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) json(v any) {
	if err := json.Unmarshal([]byte(d.text()), v); err != nil {
		d.fail("rules")
	}
}

func (d *decoder) value(decode func([]byte) ([]byte, error)) {
	if d.err != nil {
		return
	}
	rest, err := decode(d.b)
	if err != nil {
		d.fail(err.Error())
		return
	}
	d.b = rest
}

func (d *decoder) run() (k streamkey.Key, start, time int64) {
	k = d.key()
	time = d.varint()
	return k, time - d.varint(), time
}

// frame reads cells of a shard with that many slots.
func (d *decoder) frame(p *aggregate.Plan, slots int) (f frame) {
	slot := uint64(0)
	for range d.length() {
		if slot += d.uvarint(); slot >= uint64(slots) {
			d.fail("a cell")
			return f
		}
		d.value(f.cell(p, uint32(slot)).Decode)
	}
	return f
}

func (d *decoder) panes(p *aggregate.Plan, slots int, panes *window.Panes[frame]) {
	for range d.length() {
		start := d.time()
		f := d.frame(p, slots)
		into, _ := panes.At(start)
		*into = f
	}
}
