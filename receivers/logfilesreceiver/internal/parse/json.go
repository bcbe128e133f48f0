package parse

import (
	"errors"
	"math"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/internal/logvalue"
)

const (
	// maxDepth is how deep objects and arrays may be nested, and maxMembers how many values a line may have before it stays text: a
	// gateway refuses records with more attributes, and each member costs a search among those before it.
	maxDepth   = 32
	maxMembers = 1024
)

var (
	errJSON  = errors.New("not a JSON object")
	errLarge = errors.New("more members or levels than are lifted")
)

// decoder decodes one JSON object. Integers stay integers: a number that fits neither int64 nor double stays text. Of members with the
// same name the last counts, as with encoding/json. Text that is not completely valid JSON is an error.
type decoder struct {
	text    string
	at      int
	members int
}

// object decodes the object in text into the parser's members, under the names that safeName returns. After an error they are invalid.
func (p *Parser) object(text string) error {
	d := decoder{text: text}
	err := d.each(0, func(key string) error {
		m := p.named(safeName(key))
		d.space()
		if d.at == len(d.text) {
			return errJSON
		}
		switch d.text[d.at] {
		case '"':
			s, err := d.string()
			m.setText(s)
			return err
		case '{', '[':
			m.nested = pcommon.NewValueEmpty()
			err := d.value(m.nested, 1)
			m.kind = m.nested.Type()
			return err
		case 't':
			m.kind, m.int = pcommon.ValueTypeBool, 1
			return d.word("true")
		case 'f':
			m.kind = pcommon.ValueTypeBool
			return d.word("false")
		case 'n':
			return d.word("null")
		}
		return m.setNumber(d.number())
	})
	if err != nil {
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

// next skips space and reports whether c follows, which it then consumes.
func (d *decoder) next(c byte) bool {
	d.space()
	if d.at < len(d.text) && d.text[d.at] == c {
		d.at++
		return true
	}
	return false
}

// each reads an object; value reads the value of the member key.
func (d *decoder) each(depth int, value func(key string) error) error {
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
		if err := value(key); err != nil {
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

func (d *decoder) object(dst pcommon.Map, depth int) error {
	return d.each(depth, func(key string) error { return d.value(dst.PutEmpty(key), depth+1) })
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
		return d.object(dst.SetEmptyMap(), depth)
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
		var m member
		err := m.setNumber(d.number())
		switch m.kind {
		case pcommon.ValueTypeInt:
			dst.SetInt(m.int)
		case pcommon.ValueTypeDouble:
			dst.SetDouble(m.double)
		default:
			dst.SetStr(m.text)
		}
		return err
	}
}

func (d *decoder) word(w string) error {
	if len(d.text)-d.at < len(w) || d.text[d.at:d.at+len(w)] != w {
		return errJSON
	}
	d.at += len(w)
	return nil
}

// number consumes the bytes of a number.
func (d *decoder) number() string {
	start := d.at
	for d.at < len(d.text) && isNumberByte(d.text[d.at]) {
		d.at++
	}
	return d.text[start:d.at]
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// setNumber sets a JSON number: an integer as int64, any other as double, and as its text if it fits neither.
func (m *member) setNumber(text string) error {
	const sure = 18 // digits that fit an int64
	if text != "" && len(text) <= sure && (text[0] != '0' || len(text) == 1) {
		n, digits := int64(0), true
		for i := range len(text) {
			digits = digits && logvalue.IsDigit(text[i])
			n = 10*n + int64(text[i]-'0')
		}
		if digits {
			m.kind, m.int = pcommon.ValueTypeInt, n
			return nil
		}
	}
	integer, ok := numberKind(text)
	if !ok {
		return errJSON
	}
	if integer && text != "-0" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			m.setText(text)
			return nil
		}
		m.kind, m.int = pcommon.ValueTypeInt, n
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		m.setText(text)
		return nil
	}
	m.kind, m.double = pcommon.ValueTypeDouble, f
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
