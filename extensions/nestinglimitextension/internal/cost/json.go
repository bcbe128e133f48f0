package cost

import (
	"bytes"
	"encoding/json"
	"errors"
)

// ErrJSON says that a text is not JSON. Decoders of OTLP accept some texts that are not JSON, and their results could not be predicted.
var ErrJSON = errors.New("the request is not valid JSON")

// expected is the set of tokens that may come next in an object or array.
type expected uint8

const (
	first     expected = iota // a key or value, or the end
	next                      // a key or value
	colon                     // after a key
	member                    // after the colon
	separator                 // a comma or the end
)

// nested is an object or array that contains the position.
type nested struct {
	kind       kind // of an object
	array      bool // its values are of field
	expected   expected
	field      *field // of the next value; nil: decoders skip it
	attributes int32
}

// ends has the characters that end a number, true, false and null.
var ends = [256]bool{' ': true, '\t': true, '\n': true, '\r': true, ',': true, ':': true, '}': true, ']': true, '{': true, '[': true, '"': true}

// JSON measures the text in b: an *Exceeded error says which limit it exceeds, ErrJSON that its structure is not JSON's (numbers and words are not
// checked). Time is linear in len(b), memory 40 bytes a level.
func (l Limits) JSON(signal Signal, b []byte) (Usage, error) {
	m := meter{limits: l}
	// The outermost frame is an array of one value.
	stack := make([]nested, 1, 32)
	stack[0] = nested{array: true, expected: next, field: &field{form: message, to: roots[signal]}}
	for pos := 0; pos < len(b); {
		c := b[pos]
		pos++
		top := &stack[len(stack)-1]
		switch c {
		case ' ', '\t', '\n', '\r':
			continue
		case ',':
			if top.expected != separator || len(stack) == 1 {
				return m.Usage, ErrJSON
			}
			top.expected = next
			continue
		case ':':
			if top.expected != colon {
				return m.Usage, ErrJSON
			}
			top.expected = member
			continue
		case '}', ']':
			if len(stack) == 1 || top.array != (c == ']') || top.expected != first && top.expected != separator {
				return m.Usage, ErrJSON
			}
			stack = closed(stack)
			continue
		}
		start := pos
		switch c {
		case '"':
			if pos = stringEnd(b, pos); pos < 0 {
				return m.Usage, ErrJSON
			}
		case '{', '[':
		default:
			for pos < len(b) && !ends[b[pos]] {
				pos++
			}
		}
		if !top.array && top.expected != member {
			if c != '"' || top.expected > next {
				return m.Usage, ErrJSON
			}
			top.field = fieldOfKey(top.kind, b[start:pos-1])
			top.expected = colon
			continue
		}
		if top.expected == separator || top.expected == colon {
			return m.Usage, ErrJSON
		}
		top.expected = separator
		if c != '[' {
			if err := m.charge(top, c, pos-start); err != nil {
				return m.Usage, err
			}
		}
		if c == '{' || c == '[' {
			if len(stack) > l.Depth {
				return m.Usage, &Exceeded{Depth, l.Depth}
			}
			stack = append(stack, opened(c, top))
		}
	}
	if len(stack) > 1 || stack[0].expected != separator {
		return m.Usage, ErrJSON
	}
	return m.Usage, m.tooLarge()
}

// charge counts the next value of owner, which begins with c and, if it is a string, is n bytes long. Every value in a list of messages creates a
// message, null included.
func (m *meter) charge(owner *nested, c byte, n int) error {
	f := owner.field
	if f == nil {
		return nil
	}
	if err := m.add(f, int(owner.attributes)); err != nil {
		return err
	}
	if f.counts == attribute {
		owner.attributes++
	}
	if c == '"' && (f.form == text || f.form == guess) {
		m.Size += n + n/8
	}
	return m.tooLarge()
}

// opened returns the object or array that c begins, as the next value of owner. A list starts with the attributes that its owner already has: a
// decoder appends a second list of that name to the first.
func opened(c byte, owner *nested) nested {
	switch {
	case c == '[':
		return nested{array: true, field: owner.field, attributes: owner.attributes}
	case owner.field == nil:
		return nested{kind: ignored}
	default:
		return nested{kind: owner.field.to}
	}
}

// closed leaves the innermost object or array.
func closed(stack []nested) []nested {
	last := stack[len(stack)-1]
	stack = stack[:len(stack)-1]
	if last.array {
		stack[len(stack)-1].attributes = last.attributes
	}
	return stack
}

// fieldOfKey returns the field that a key names, nil if decoders skip it.
func fieldOfKey(k kind, key []byte) *field {
	if k == unknown {
		return guessed
	}
	if bytes.IndexByte(key, '\\') >= 0 { // decoders do not distinguish an escaped name from the plain one
		var name string
		if json.Unmarshal([]byte(`"`+string(key)+`"`), &name) != nil {
			return nil
		}
		return messages[k].byName[name]
	}
	return messages[k].byName[string(key)]
}

// stringEnd returns the position after the string whose text begins at pos, or a negative number.
func stringEnd(b []byte, pos int) int {
	for {
		n := bytes.IndexByte(b[pos:], '"')
		if n < 0 {
			return -1
		}
		quote := pos + n
		escapes := 0
		for b[quote-1-escapes] == '\\' {
			escapes++
		}
		pos = quote + 1
		if escapes%2 == 0 {
			return pos
		}
	}
}
