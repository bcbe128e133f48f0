package rows

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Letters of a *_types column: how the text in the map turns back into the attribute's value.
const (
	typeString = 's' // the text itself
	typeInt    = 'i' // decimal
	typeDouble = 'd' // shortest decimal that reads back as the same double; NaN, +Inf, -Inf
	typeBool   = 'b' // true or false
	typeBytes  = 'y' // base64
	typeEmpty  = 'n' // null: an attribute without a value
	typeExact  = 'x' // text for people only (JSON, replaced bytes): the value is in the column exact
	typesAll   = "=" // in place of one letter an entry: the whole set is in the column exact
)

var (
	noBytes    = []byte{} // not nil: Parquet statistics leave nil values out
	canonicNaN = math.Float64bits(math.NaN())
)

// bytesOf views s as bytes that must not be changed.
func bytesOf(s string) []byte {
	if s == "" {
		return noBytes
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// valid returns s as valid UTF-8, and whether it was. Readers such as DuckDB refuse a whole file over one invalid string.
func valid(s string) (string, bool) {
	if utf8.ValidString(s) {
		return s, true
	}
	return strings.ToValidUTF8(s, "\uFFFD"), false
}

// text renders v for a string column. The bytes live until the arena is reset; they are nil for an empty value.
func (a *arena) text(v pcommon.Value) (text []byte, letter byte) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		s, ok := valid(v.Str())
		if !ok {
			return bytesOf(s), typeExact
		}
		return bytesOf(s), typeString
	case pcommon.ValueTypeInt:
		mark := a.mark()
		a.b = strconv.AppendInt(a.b, v.Int(), 10)
		return a.since(mark), typeInt
	case pcommon.ValueTypeDouble:
		mark := a.mark()
		a.b = strconv.AppendFloat(a.b, v.Double(), 'g', -1, 64)
		if math.IsNaN(v.Double()) && math.Float64bits(v.Double()) != canonicNaN {
			return a.since(mark), typeExact
		}
		return a.since(mark), typeDouble
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return bytesOf("true"), typeBool
		}
		return bytesOf("false"), typeBool
	case pcommon.ValueTypeBytes:
		mark := a.mark()
		a.b = base64.StdEncoding.AppendEncode(a.b, v.Bytes().AsRaw())
		return a.since(mark), typeBytes
	case pcommon.ValueTypeMap, pcommon.ValueTypeSlice:
		mark := a.mark()
		a.b = appendJSON(a.b, v)
		return a.since(mark), typeExact
	}
	return nil, typeEmpty
}

// appendJSON renders a value the way OTTL and pdata show it: plain JSON, bytes as base64, NaN and infinities as strings.
func appendJSON(b []byte, v pcommon.Value) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return appendQuoted(b, v.Str())
	case pcommon.ValueTypeInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case pcommon.ValueTypeDouble:
		f := v.Double()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return append(strconv.AppendFloat(append(b, '"'), f, 'g', -1, 64), '"')
		}
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(b, v.Bool())
	case pcommon.ValueTypeBytes:
		b = append(b, '"')
		return append(base64.StdEncoding.AppendEncode(b, v.Bytes().AsRaw()), '"')
	case pcommon.ValueTypeMap:
		b = append(b, '{')
		first := true
		for k, e := range v.Map().All() {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(appendQuoted(b, k), ':')
			b = appendJSON(b, e)
		}
		return append(b, '}')
	case pcommon.ValueTypeSlice:
		b = append(b, '[')
		for i, e := range v.Slice().All() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	}
	return append(b, "null"...)
}

const hexDigits = "0123456789abcdef"

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
			continue
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return append(b, '"')
}

// arena holds rendered text until the rows that point to it are encoded. When it grows, what was handed out keeps the old memory.
type arena struct{ b []byte }

func (a *arena) mark() int { return len(a.b) }

func (a *arena) since(mark int) []byte { return a.b[mark:len(a.b):len(a.b)] }

// id renders an id as lower-case hex.
func (a *arena) id(id []byte) []byte {
	mark := a.mark()
	a.b = hex.AppendEncode(a.b, id)
	return a.since(mark)
}

// reset drops all text; one oversized batch does not keep its memory.
func (a *arena) reset() {
	if cap(a.b) > 4<<20 {
		a.b = nil
	}
	a.b = a.b[:0]
}
