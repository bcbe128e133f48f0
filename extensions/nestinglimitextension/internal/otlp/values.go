package otlp

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// scalar reads a value that is not a message and appends it to out. tagged: with its tag, which values of a packed list do not have.
func (t *transcoder) scalar(f *field, tagged bool) error {
	tag := func(w protowire.Type) {
		if tagged {
			t.out = protowire.AppendTag(t.out, protowire.Number(f.number), w)
		}
	}
	switch f.form {
	case text, octets, traceID, spanID:
		b, err := t.bytes(f)
		if err != nil {
			return err
		}
		if err := t.reserve(len(b)); err != nil {
			return err
		}
		tag(protowire.BytesType)
		t.out = protowire.AppendBytes(t.out, b)
		return nil
	case boolean:
		if err := t.reserve(0); err != nil {
			return err
		}
		var v uint64
		switch {
		case t.peek() == 't' && t.word("true"):
			v = 1
		case t.peek() == 'f' && t.word("false"):
		default:
			return wrong("is neither true nor false")
		}
		tag(protowire.VarintType)
		t.out = protowire.AppendVarint(t.out, v)
		return nil
	}
	if err := t.reserve(0); err != nil {
		return err
	}
	return t.numericScalar(f, tag)
}

// numericScalar reads a number of some form.
func (t *transcoder) numericScalar(f *field, tag func(protowire.Type)) error {
	digits, inQuotes, err := t.numeric()
	if err != nil {
		return err
	}
	switch f.form {
	case double:
		v, ok := parseDouble(digits, inQuotes)
		if !ok {
			return wrong("is not a number")
		}
		tag(protowire.Fixed64Type)
		t.out = binary.LittleEndian.AppendUint64(t.out, math.Float64bits(v))
	case fixed64, uint64s:
		v, ok := parseUnsigned(digits, 64)
		if !ok {
			return wrong("is not an unsigned integer of 64 bits")
		}
		if f.form == uint64s {
			tag(protowire.VarintType)
			t.out = protowire.AppendVarint(t.out, v)
			return nil
		}
		tag(protowire.Fixed64Type)
		t.out = binary.LittleEndian.AppendUint64(t.out, v)
	case fixed32, uint32s:
		v, ok := parseUnsigned(digits, 32)
		if !ok {
			return wrong("is not an unsigned integer of 32 bits")
		}
		if f.form == uint32s {
			tag(protowire.VarintType)
			t.out = protowire.AppendVarint(t.out, v)
			return nil
		}
		tag(protowire.Fixed32Type)
		t.out = binary.LittleEndian.AppendUint32(t.out, uint32(v))
	case sfixed64, int64s:
		v, ok := parseSigned(digits, 64)
		if !ok {
			return wrong("is not an integer of 64 bits")
		}
		if f.form == int64s {
			tag(protowire.VarintType)
			t.out = protowire.AppendVarint(t.out, uint64(v))
			return nil
		}
		tag(protowire.Fixed64Type)
		t.out = binary.LittleEndian.AppendUint64(t.out, uint64(v))
	case sint32:
		v, ok := parseSigned(digits, 32)
		if !ok {
			return wrong("is not an integer of 32 bits")
		}
		tag(protowire.VarintType)
		t.out = protowire.AppendVarint(t.out, protowire.EncodeZigZag(v))
	case enum:
		v, ok := f.names[string(digits)]
		if !ok {
			v, ok = parseSigned(digits, 32)
		}
		if !ok {
			return wrong("is neither the number nor the name of a value")
		}
		tag(protowire.VarintType)
		t.out = protowire.AppendVarint(t.out, uint64(v))
	}
	return nil
}

// bytes reads a string, base64 or an id.
func (t *transcoder) bytes(f *field) ([]byte, error) {
	if t.peek() != '"' {
		return nil, wrong("is not a string")
	}
	q, err := t.quoted()
	if err != nil {
		return nil, err
	}
	b, err := unquote(q)
	if err != nil || f.form == text {
		return b, err
	}
	if f.form == octets {
		return parseBase64(b)
	}
	size := map[form]int{traceID: 16, spanID: 8}[f.form]
	if len(b) == 0 {
		return nil, nil
	}
	id := make([]byte, hex.DecodedLen(len(b)))
	if _, err := hex.Decode(id, b); err != nil || len(id) != size {
		return nil, wrong("is not " + strconv.Itoa(2*size) + " hexadecimal digits")
	}
	return id, nil
}

// parseBase64 accepts the standard alphabet and that of URLs, with and without padding.
func parseBase64(b []byte) ([]byte, error) {
	b = bytes.TrimRight(b, "=")
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(b, "-_") {
		encoding = base64.RawURLEncoding
	}
	out := make([]byte, encoding.DecodedLen(len(b)))
	n, err := encoding.Decode(out, b)
	if err != nil || bytes.ContainsAny(b, "\r\n") {
		return nil, wrong("is not base64")
	}
	return out[:n], nil
}

// numeric reads a number, or a string that holds one.
func (t *transcoder) numeric() (digits []byte, inQuotes bool, err error) {
	switch c := t.peek(); {
	case c == '"':
		q, err := t.quoted()
		if err != nil {
			return nil, false, err
		}
		digits, err = unquote(q)
		return digits, true, err
	case c == '-' || '0' <= c && c <= '9':
		digits, err = t.number()
		return digits, false, err
	default:
		return nil, false, wrong("is not a number")
	}
}

func parseDouble(b []byte, inQuotes bool) (float64, bool) {
	if inQuotes {
		switch string(b) {
		case "NaN":
			return math.NaN(), true
		case "Infinity":
			return math.Inf(1), true
		case "-Infinity":
			return math.Inf(-1), true
		}
		s := scanner{b: b}
		if n, err := s.number(); err != nil || len(n) != len(b) {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil
}

func parseSigned(b []byte, bits int) (int64, bool) {
	if v, err := strconv.ParseInt(string(b), 10, bits); err == nil && b[0] != '+' {
		return v, true
	}
	v, err := strconv.ParseInt(integer(b), 10, bits)
	return v, err == nil
}

func parseUnsigned(b []byte, bits int) (uint64, bool) {
	if v, err := strconv.ParseUint(string(b), 10, bits); err == nil {
		return v, true
	}
	if string(b) == "-0" {
		return 0, true
	}
	v, err := strconv.ParseUint(integer(b), 10, bits)
	return v, err == nil
}

// integer writes a number with a fraction or an exponent as an integer, exactly; empty if it is not an integer, or far too large.
func integer(b []byte) string {
	s := scanner{b: b}
	if n, err := s.number(); err != nil || len(n) != len(b) || len(b) > 400 {
		return ""
	}
	mantissa, exponent := string(b), 0
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(mantissa[i+1:]); err != nil || exponent > 400 || exponent < -400 {
			return ""
		}
		mantissa = mantissa[:i]
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits, point := whole+fraction, len(whole)+exponent
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	if strings.Trim(digits[point:], "0") != "" {
		return ""
	}
	digits = strings.TrimLeft(digits[:point], "0")
	if digits == "" {
		return "0"
	}
	if negative {
		return "-" + digits
	}
	return digits
}
