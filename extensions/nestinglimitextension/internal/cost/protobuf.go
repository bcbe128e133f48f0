package cost

import (
	"errors"
	"io"
)

// ErrGroup says that a request has a protobuf group. OTLP has none, and decoders differ about the end of one.
var ErrGroup = errors.New("the request has a group, which OTLP does not have")

// Wire types of protobuf.
const (
	wireVarint     = 0
	wireFixed64    = 1
	wireBytes      = 2
	wireStartGroup = 3
	wireFixed32    = 5
)

// frame is a message that contains the position.
type frame struct {
	end        int
	kind       kind
	attributes int32
}

// Protobuf measures the message in b: an *Exceeded error says which limit it exceeds. A malformed message is measured as far as a decoder reads it.
// Time is linear in len(b), memory 16 bytes a level.
//
// A message with an unknown schema is measured as if every field that can be a message were one: its result is never smaller or less deep than a
// decoder's.
func (l Limits) Protobuf(signal Signal, b []byte) (Usage, error) { return l.walk(signal, b, false) }

// Frame measures the message in b without Depth and Attributes, which single items exceed: a caller that checks items one by one learns whether
// there are too many. Frame does not read anything deeper than Depth.
func (l Limits) Frame(signal Signal, b []byte) (Usage, error) { return l.walk(signal, b, true) }

func (l Limits) walk(signal Signal, b []byte, frameOnly bool) (Usage, error) {
	m := meter{limits: l}
	if frameOnly {
		m.limits.Attributes = len(b)
	}
	stack := make([]frame, 1, 32)
	stack[0] = frame{end: len(b), kind: roots[signal]}
	for pos := 0; ; {
		top := &stack[len(stack)-1]
		if pos >= top.end {
			if len(stack) == 1 {
				return m.Usage, m.tooLarge()
			}
			stack = stack[:len(stack)-1]
			continue
		}
		f, start, next, err := readField(b[:top.end], pos, top.kind)
		switch {
		case err == nil:
		case top.kind == unknown:
			pos = top.end // not a message after all
			continue
		case errors.Is(err, ErrGroup):
			return m.Usage, err
		default:
			return m.Usage, m.tooLarge() // here a decoder stops with an error
		}
		pos = next
		if f == nil {
			continue
		}
		if err := m.add(f, int(top.attributes)); err != nil {
			return m.Usage, err
		}
		if f.counts == attribute {
			top.attributes++
		}
		switch {
		case start < 0: // not a byte sequence
			continue
		case f.form == text:
			m.Size += (next - start) * 9 / 8 // the allocator rounds up
		case f.form == numbers:
			m.Size += 2 * (next - start)
		case f.form == varints:
			m.Size += sizeNumber * (next - start)
		case f.form == message && next > start, f.form == guess && next > start:
			if len(stack) >= l.Depth {
				if frameOnly {
					continue
				}
				return m.Usage, &Exceeded{Depth, l.Depth}
			}
			if f.form == guess {
				m.Size += next - start
			}
			stack = append(stack, frame{end: next, kind: f.to})
			pos = start
		}
		if err := m.tooLarge(); err != nil {
			return m.Usage, err
		}
	}
}

// readField reads the field at pos of a message that ends with b. f is nil if a decoder skips it. A byte sequence is from start to next; otherwise
// start is negative. The rules are those of pdata's decoder, mistakes included: a field number is truncated to 32 bits.
func readField(b []byte, pos int, k kind) (f *field, start, next int, err error) {
	tag, pos, err := varint(b, pos)
	number := int32(tag >> 3)
	if err != nil || number <= 0 {
		return nil, -1, 0, io.ErrUnexpectedEOF
	}
	if k == unknown {
		f = guessed
	} else {
		f = messages[k].ofNumber(number)
	}
	wire := tag & 7
	if wire == wireBytes {
		size, pos, err := varint(b, pos)
		if err != nil || size > uint64(len(b)-pos) {
			return nil, -1, 0, io.ErrUnexpectedEOF
		}
		return f, pos, pos + int(size), nil
	}
	if k == unknown {
		f = nil
	}
	next, err = skip(b, pos, wire)
	return f, -1, next, err
}

// skip returns the position after a value of that wire type.
func skip(b []byte, pos int, wire uint64) (int, error) {
	var err error
	switch wire {
	case wireVarint:
		_, pos, err = varint(b, pos)
	case wireFixed64:
		pos += 8
	case wireFixed32:
		pos += 4
	case wireStartGroup:
		err = ErrGroup
	default:
		err = io.ErrUnexpectedEOF
	}
	if err == nil && pos > len(b) {
		err = io.ErrUnexpectedEOF
	}
	return pos, err
}

// varint reads at most ten bytes; bits above the 64th are dropped.
func varint(b []byte, pos int) (n uint64, next int, err error) {
	if pos < len(b) && b[pos] < 0x80 {
		return uint64(b[pos]), pos + 1, nil
	}
	for shift := uint(0); shift < 64; shift += 7 {
		if pos >= len(b) {
			return 0, pos, io.ErrUnexpectedEOF
		}
		c := b[pos]
		pos++
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n, pos, nil
		}
	}
	return 0, pos, io.ErrUnexpectedEOF
}
