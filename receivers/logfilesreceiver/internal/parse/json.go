package parse

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

const (
	// maxDepth is how deep objects and arrays may nest, and maxMembers how many values a line may have before it stays text: a gateway
	// refuses records with more attributes, and each member costs a search among those before it.
	maxDepth   = 32
	maxMembers = 1024
)

var (
	errJSON  = errors.New("not a JSON object")
	errLarge = errors.New("more members or levels than are lifted")
)

// decoder reads one JSON object into attributes. Integers stay integers: what fits neither int64 nor double stays the text that was
// written. Of members with the same name the last counts, as with encoding/json. Text that is no JSON is an error, however little.
type decoder struct {
	text    string
	at      int
	members int
}

// decodeObject adds the members of the object in text to dst. rename gives the name under which a top-level member is kept. On an error
// dst has what came before it.
func decodeObject(text string, dst pcommon.Map, rename func(string) string) error {
	d := decoder{text: text}
	d.space()
	if err := d.object(dst, 0, rename); err != nil {
		return err
	}
	if d.space(); d.at != len(text) {
		return errJSON
	}
	return nil
}

func (d *decoder) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

// next skips space and says whether c follows, which it then takes.
func (d *decoder) next(c byte) bool {
	d.space()
	if d.at < len(d.text) && d.text[d.at] == c {
		d.at++
		return true
	}
	return false
}

func (d *decoder) object(dst pcommon.Map, depth int, rename func(string) string) error {
	if depth >= maxDepth {
		return errLarge
	}
	if !d.next('{') {
		return errJSON
	}
	if d.next('}') {
		return nil
	}
	for {
		d.space()
		key, err := d.string()
		if err != nil {
			return err
		}
		if !d.next(':') {
			return errJSON
		}
		if d.members++; d.members > maxMembers {
			return errLarge
		}
		if rename != nil {
			key = rename(key)
		}
		if err := d.value(dst.PutEmpty(key), depth+1); err != nil {
			return err
		}
		if d.next('}') {
			return nil
		}
		if !d.next(',') {
			return errJSON
		}
	}
}

func (d *decoder) array(dst pcommon.Slice, depth int) error {
	if depth >= maxDepth {
		return errLarge
	}
	d.at++
	if d.next(']') {
		return nil
	}
	for {
		if d.members++; d.members > maxMembers {
			return errLarge
		}
		if err := d.value(dst.AppendEmpty(), depth+1); err != nil {
			return err
		}
		if d.next(']') {
			return nil
		}
		if !d.next(',') {
			return errJSON
		}
	}
}

func (d *decoder) value(dst pcommon.Value, depth int) error {
	d.space()
	if d.at == len(d.text) {
		return errJSON
	}
	switch d.text[d.at] {
	case '{':
		return d.object(dst.SetEmptyMap(), depth, nil)
	case '[':
		return d.array(dst.SetEmptySlice(), depth)
	case '"':
		s, err := d.string()
		dst.SetStr(s)
		return err
	case 't':
		dst.SetBool(true)
		return d.word("true")
	case 'f':
		dst.SetBool(false)
		return d.word("false")
	case 'n':
		return d.word("null")
	default:
		return d.number(dst)
	}
}

func (d *decoder) word(w string) error {
	if len(d.text)-d.at < len(w) || d.text[d.at:d.at+len(w)] != w {
		return errJSON
	}
	d.at += len(w)
	return nil
}

func (d *decoder) number(dst pcommon.Value) error {
	start := d.at
	for d.at < len(d.text) && isNumberByte(d.text[d.at]) {
		d.at++
	}
	return setNumber(dst, d.text[start:d.at])
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// setNumber stores a JSON number: an integer as int64, any other as double, and what neither can hold as its text.
func setNumber(dst pcommon.Value, text string) error {
	integer, ok := numberKind(text)
	if !ok {
		return errJSON
	}
	if integer {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
			dst.SetInt(n)
			return nil
		}
		if text != "-0" {
			dst.SetStr(text)
			return nil
		}
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) {
		dst.SetDouble(f)
		return nil
	}
	dst.SetStr(text)
	return nil
}

// numberKind checks the grammar of RFC 8259, section 6.
func numberKind(text string) (integer, ok bool) {
	i := 0
	digits := func() bool {
		from := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(text) && text[i] == '-' {
		i++
	}
	if first := i; !digits() || text[first] == '0' && i > first+1 {
		return false, false
	}
	integer = true
	if i < len(text) && text[i] == '.' {
		integer = false
		if i++; !digits() {
			return false, false
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		integer = false
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return false, false
		}
	}
	return integer, i == len(text)
}

// string reads a string. Without escapes it shares the line's memory.
func (d *decoder) string() (string, error) {
	if d.at == len(d.text) || d.text[d.at] != '"' {
		return "", errJSON
	}
	d.at++
	start := d.at
	for d.at < len(d.text) {
		switch c := d.text[d.at]; {
		case c == '"':
			d.at++
			return d.text[start : d.at-1], nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			return "", errJSON
		}
		d.at++
	}
	return "", errJSON
}

// escaped reads on from the first backslash.
func (d *decoder) escaped(start int) (string, error) {
	out := make([]byte, d.at-start, len(d.text)-start)
	copy(out, d.text[start:d.at])
	for d.at < len(d.text) {
		c := d.text[d.at]
		d.at++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			return "", errJSON
		case c != '\\':
			out = append(out, c)
			continue
		}
		if d.at == len(d.text) {
			break
		}
		c = d.text[d.at]
		d.at++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := d.hex()
			if !ok {
				return "", errJSON
			}
			out = utf8.AppendRune(out, d.pair(r))
		default:
			return "", errJSON
		}
	}
	return "", errJSON
}

func (d *decoder) hex() (rune, bool) {
	if len(d.text)-d.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(d.text[d.at:d.at+4], 16, 16)
	if err != nil || d.text[d.at] == '+' {
		return 0, false
	}
	d.at += 4
	return rune(n), true
}

// pair joins a surrogate with the one that follows; one alone becomes U+FFFD.
func (d *decoder) pair(r rune) rune {
	if !utf16.IsSurrogate(r) {
		return r
	}
	if rest := d.text[d.at:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		at := d.at
		d.at += 2
		if low, ok := d.hex(); ok {
			if joined := utf16.DecodeRune(r, low); joined != utf8.RuneError {
				return joined
			}
		}
		d.at = at
	}
	return utf8.RuneError
}
