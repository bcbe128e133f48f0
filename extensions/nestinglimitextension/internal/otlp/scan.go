package otlp

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// maxSkipped is how deeply objects and arrays may be nested in a value that is not decoded. Each costs a byte.
const maxSkipped = 100_000

// scanner reads JSON from b at pos.
type scanner struct {
	b   []byte
	pos int
}

// peek returns the next byte that is not a space, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.b) {
		switch c := s.b[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take moves past c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.pos == len(s.b) {
		return false
	}
	s.pos++
	return true
}

// word reads true, false or null.
func (s *scanner) word(w string) bool {
	if !bytes.HasPrefix(s.b[s.pos:], []byte(w)) {
		return false
	}
	s.pos += len(w)
	return true
}

// quoted returns the text between the quotes of a string, with escapes unchanged.
func (s *scanner) quoted() ([]byte, error) {
	if !s.take('"') {
		return nil, ErrJSON
	}
	start := s.pos
	for {
		n := bytes.IndexByte(s.b[s.pos:], '"')
		if n < 0 {
			return nil, ErrJSON
		}
		quote := s.pos + n
		s.pos = quote + 1
		escapes := 0
		for quote-escapes > start && s.b[quote-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return s.b[start:quote], nil
		}
	}
}

// plain says whether a string has no escape and no control character, so that it needs no decoding.
func plain(q []byte) bool {
	for _, c := range q {
		if c == '\\' || c < ' ' {
			return false
		}
	}
	return true
}

// unquote decodes a string. Bytes that are not UTF-8 stay unchanged, as they do in protobuf.
func unquote(q []byte) ([]byte, error) {
	if plain(q) {
		return q, nil
	}
	out := make([]byte, 0, len(q))
	for i := 0; i < len(q); {
		switch c := q[i]; {
		case c < ' ':
			return nil, wrong("has a control character that is not escaped")
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		// One escape, or the two of a surrogate pair; the standard library decodes them.
		n := 2
		if i+1 < len(q) && q[i+1] == 'u' {
			n = 6
			if i+12 <= len(q) && q[i+6] == '\\' && q[i+7] == 'u' {
				n = 12
			}
		}
		if i+n > len(q) {
			return nil, wrong("has an invalid escape")
		}
		var one string
		if json.Unmarshal(append(append([]byte{'"'}, q[i:i+n]...), '"'), &one) != nil {
			return nil, wrong("has an invalid escape")
		}
		if n == 12 && utf8.RuneCountInString(one) == 2 { // not a pair: the second may begin one
			n = 6
			_, first := utf8.DecodeRuneInString(one)
			one = one[:first]
		}
		out = append(out, one...)
		i += n
	}
	return out, nil
}

// number returns a number in its original spelling.
func (s *scanner) number() ([]byte, error) {
	s.peek()
	start := s.pos
	s.sign()
	zero := s.pos < len(s.b) && s.b[s.pos] == '0'
	first := s.pos
	if !s.digits() || zero && s.pos > first+1 { // nothing, or a leading zero
		return nil, ErrJSON
	}
	if s.pos < len(s.b) && s.b[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return nil, ErrJSON
		}
	}
	if s.pos < len(s.b) && (s.b[s.pos] == 'e' || s.b[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.b) && s.b[s.pos] == '+' {
			s.pos++
		} else {
			s.sign()
		}
		if !s.digits() {
			return nil, ErrJSON
		}
	}
	return s.b[start:s.pos], nil
}

func (s *scanner) sign() {
	if s.pos < len(s.b) && s.b[s.pos] == '-' {
		s.pos++
	}
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.b) && '0' <= s.b[s.pos] && s.b[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// skip moves past the next value, without recursion. items is how many elements the lists in it have that itemLists names.
func (s *scanner) skip() (items int, err error) {
	var closers []byte
	counting := -1 // the depth of the list whose elements are items
	key := false   // a key comes next
	listed := false
	for {
		if key {
			name, err := s.quoted()
			if err != nil {
				return 0, err
			}
			if !s.take(':') {
				return 0, ErrJSON
			}
			listed = itemLists[string(name)]
			key = false
		}
		c := s.peek()
		if counting == len(closers) && c != ']' {
			items++
		}
		switch c {
		case '{', '[':
			s.pos++
			if len(closers) >= maxSkipped {
				return 0, ErrTooDeep
			}
			closers = append(closers, c+2) // } and ] are two code points after their openers
			if c == '[' && listed && counting < 0 {
				counting = len(closers)
			}
			listed = false
			if s.take(c + 2) {
				closers = closers[:len(closers)-1]
				if counting > len(closers) {
					counting = -1
				}
				break
			}
			key = c == '{'
			continue
		case '"':
			_, err = s.quoted()
		case 't':
			err = s.expect("true")
		case 'f':
			err = s.expect("false")
		case 'n':
			err = s.expect("null")
		default:
			_, err = s.number()
		}
		if err != nil {
			return 0, err
		}
		// After a value comes the end of an enclosing one, or the next value.
		for {
			if len(closers) == 0 {
				return items, nil
			}
			if s.take(closers[len(closers)-1]) {
				closers = closers[:len(closers)-1]
				if counting > len(closers) {
					counting = -1
				}
				continue
			}
			break
		}
		if !s.take(',') {
			return 0, ErrJSON
		}
		key = closers[len(closers)-1] == '}'
	}
}

func (s *scanner) expect(w string) error {
	if !s.word(w) {
		return ErrJSON
	}
	return nil
}

// itemLists are the lists whose elements are items.
var itemLists = map[string]bool{"logRecords": true, "log_records": true, "spans": true, "dataPoints": true, "data_points": true}
