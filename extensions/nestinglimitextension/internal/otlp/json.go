package otlp

import (
	"bytes"
	"errors"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// lengthSize is how many bytes the length of a message takes: a padded varint, so that it can be filled in later. 28 bits.
const lengthSize = 4

// FromJSON returns the request in b as protobuf, without the items that can't be read. An error is about the whole request: ErrJSON, ErrTooDeep or
// ErrTooLarge. grow is called with the number of bytes before more memory is allocated; its error is returned.
//
// It accepts everything that the JSON encodings of OTLP and proto3 require: null for unset fields, 64-bit integers as numbers and strings, ids in
// hex of either case, base64 of either alphabet, names of enumerations, unknown fields; except that a request with nothing but another signal's
// items is refused, because it would be lost with a success as its answer. Time is linear in len(b), memory the result.
func FromJSON(signal Signal, b []byte, limits Limits, grow func(int) error) (out []byte, rejected Rejected, err error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	limits.Size = min(limits.Size, 1<<(7*lengthSize)-1)
	t := &transcoder{scanner: scanner{b: b}, limits: limits, grow: grow, rejected: &rejected}
	if t.peek() != '{' {
		if _, err := t.skip(); err != nil || t.peek() != 0 {
			return nil, rejected, ErrJSON
		}
		return nil, rejected, wholeFault(wrong("is not an object"))
	}
	err = t.object(signal.root(), 1)
	if err == nil && (t.peek() != 0 || t.pos < len(b)) {
		err = ErrJSON
	}
	if err == nil && t.other != "" && len(t.out) == 0 && !rejected.Any() {
		return nil, rejected, wholeFault(wrong("has nothing of this path's signal, but " + t.other + ", which belongs to " + otherRoots[t.other]))
	}
	var f *fault
	if errors.As(err, &f) {
		// The frame itself is wrong; whether the rest is JSON decides which error is better.
		whole := scanner{b: b}
		if _, skipErr := whole.skip(); skipErr != nil {
			return nil, rejected, skipErr
		}
		return nil, rejected, wholeFault(f)
	}
	return t.out, rejected, err
}

// WholeError says what is wrong with a request as a whole, in its frame around the items.
type WholeError struct{ text string }

func (e *WholeError) Error() string { return e.text }

func wholeFault(f *fault) *WholeError {
	where := f.where
	if where == "" {
		where = "the request"
	}
	return &WholeError{where + " " + f.what}
}

// transcoder writes protobuf for the JSON that it reads.
type transcoder struct {
	scanner
	out      []byte
	limits   Limits
	grow     func(int) error
	rejected *Rejected
	path     []step
	other    string // the field of another signal's request at the root, in JSON's spelling
}

// otherRoots are the fields that hold a request's items, in both spellings, with the path of their signal.
var otherRoots = map[string]string{
	"resourceLogs": "/v1/logs", "resource_logs": "/v1/logs",
	"resourceMetrics": "/v1/metrics", "resource_metrics": "/v1/metrics",
	"resourceSpans": "/v1/traces", "resource_spans": "/v1/traces",
}

// empty reports whether value is null or a list without elements: as a field's value they are like no field.
func empty(value []byte) bool {
	value = bytes.TrimLeft(value, " \t\r\n")
	return len(value) == 0 || value[0] == 'n' || value[0] == '[' && len(bytes.Trim(value, "[] \t\r\n")) == 0
}

// step is one part of the transcoder's position: a field, and the index in its list or -1.
type step struct {
	name  string
	index int
}

// where describes the transcoder's position by the schema's names only.
func (t *transcoder) where() string {
	var b []byte
	for i, s := range t.path {
		if i > 0 {
			b = append(b, '.')
		}
		b = append(b, s.name...)
		if s.index >= 0 {
			b = append(append(b, '['), strconv.Itoa(s.index)...)
			b = append(b, ']')
		}
		if i == 20 && len(t.path) > 21 { // more levels would not help the reader
			return string(append(b, "..."...))
		}
	}
	return string(b)
}

// object reads an object as message m, depth messages deep, and appends its fields.
func (t *transcoder) object(m *message, depth int) error {
	if depth > t.limits.Depth {
		return t.at(tooDeep(t.limits.Depth))
	}
	if !t.take('{') {
		return t.at(wrong("is not an object"))
	}
	if t.take('}') {
		return nil
	}
	var counts map[*field]int
	for {
		q, err := t.quoted()
		if err != nil {
			return err
		}
		if !t.take(':') {
			return ErrJSON
		}
		f := m.byName[string(q)]
		if f == nil && bytes.IndexByte(q, '\\') >= 0 {
			if name, err := unquote(q); err == nil {
				f = m.byName[string(name)]
			}
		}
		switch {
		case f == nil:
			from := t.pos
			_, err = t.skip()
			if depth == 1 && otherRoots[string(q)] != "" && !empty(t.b[from:t.pos]) {
				t.other = string(q)
			}
		case t.peek() == 'n':
			err = t.expect("null")
		default:
			t.path = append(t.path, step{f.name, -1})
			if f.counted && counts == nil {
				counts = map[*field]int{}
			}
			err = t.value(f, depth, counts)
			if err == nil {
				t.path = t.path[:len(t.path)-1]
			}
		}
		if err != nil {
			return err
		}
		if len(t.out) > t.limits.Size {
			return ErrTooLarge
		}
		if t.take('}') {
			return nil
		}
		if !t.take(',') {
			return ErrJSON
		}
	}
}

// value reads the value of a field that is not null.
func (t *transcoder) value(f *field, depth int, counts map[*field]int) error {
	if !f.repeated {
		return t.single(f, depth)
	}
	if !t.take('[') {
		return t.at(wrong("is not a list"))
	}
	packed := f.form != embedded && f.form != text
	length := 0
	if packed {
		if err := t.reserve(0); err != nil {
			return err
		}
		length = t.begin(f)
	}
	for i := 0; !t.take(']'); i++ {
		if i > 0 && !t.take(',') {
			return ErrJSON
		}
		t.path[len(t.path)-1].index = i
		if f.counted {
			if counts[f]++; counts[f] > t.limits.Attributes {
				t.path = t.path[:len(t.path)-1]
				return t.at(tooMany(t.limits.Attributes))
			}
		}
		var err error
		switch {
		case packed:
			err = t.scalarAt(f, false)
		case f.form == embedded && f.message.level != part:
			err = t.element(f, depth)
		default:
			err = t.single(f, depth)
		}
		if err != nil {
			return err
		}
		if len(t.out) > t.limits.Size {
			return ErrTooLarge
		}
	}
	if packed {
		t.end(length)
	}
	return nil
}

// element reads a resource, scope, metric or item. An unreadable one is left out, with its content; the others stay.
func (t *transcoder) element(f *field, depth int) error {
	start, pos, steps, before := len(t.out), t.pos, len(t.path), t.rejected.Items
	err := t.single(f, depth)
	var bad *fault
	if !errors.As(err, &bad) {
		return err
	}
	t.out, t.pos, t.path = t.out[:start], pos, t.path[:steps]
	items, err := t.skip()
	if err != nil {
		return err
	}
	if f.message.level == itemLevel {
		items = 1
	}
	t.rejected.add(bad, max(0, items-(t.rejected.Items-before))) // some items were already left out
	return nil
}

// single reads one value of a field.
func (t *transcoder) single(f *field, depth int) error {
	if f.form != embedded {
		return t.scalarAt(f, true)
	}
	if err := t.reserve(0); err != nil {
		return err
	}
	if t.peek() == 'n' && f.message == anyValue { // a list's null
		if err := t.expect("null"); err != nil {
			return err
		}
		t.end(t.begin(f))
		return nil
	}
	length := t.begin(f)
	if err := t.object(f.message, depth+1); err != nil {
		return err
	}
	t.end(length)
	return nil
}

// scalarAt reads a scalar, and adds the position to an error.
func (t *transcoder) scalarAt(f *field, tagged bool) error {
	err := t.scalar(f, tagged)
	var bad *fault
	if errors.As(err, &bad) && bad.where == "" {
		return t.at(bad)
	}
	return err
}

// reserve makes space for n more bytes and a few tags. It calls grow before it moves the result to more memory.
func (t *transcoder) reserve(n int) error {
	n += 64
	if cap(t.out)-len(t.out) >= n {
		return nil
	}
	larger := max(cap(t.out)+n, min(2*cap(t.out), t.limits.Size+n), len(t.b)/2)
	if t.grow != nil {
		if err := t.grow(larger - cap(t.out)); err != nil {
			return err
		}
	}
	t.out = append(make([]byte, 0, larger), t.out...)
	return nil
}

// begin appends the tag of a message or packed list, and space for its length.
func (t *transcoder) begin(f *field) int {
	t.out = protowire.AppendTag(t.out, protowire.Number(f.number), protowire.BytesType)
	t.out = append(t.out, 0, 0, 0, 0)
	return len(t.out)
}

// end fills in the length of the element that began at start.
func (t *transcoder) end(start int) {
	n := len(t.out) - start
	l := t.out[start-lengthSize : start]
	l[0], l[1], l[2], l[3] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)|0x80, byte(n>>21)&0x7f
}

// at is the position of a fault.
func (t *transcoder) at(f *fault) error {
	f.where = t.where()
	return f
}
