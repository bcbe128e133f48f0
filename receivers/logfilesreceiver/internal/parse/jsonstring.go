package parse

import (
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// string decodes a string. Without escapes it shares the line's memory.
func (d *decoder) string() (string, error) {
	text, at := d.text, d.at
	if at == len(text) || text[at] != '"' {
		return "", errJSON
	}
	at++
	start := at
	for len(text)-at >= 8 {
		if n := plainBytes(text[at : at+8]); n < 8 {
			at += n
			break
		}
		at += 8
	}
	for at < len(text) && text[at] != '"' && text[at] != '\\' && text[at] >= ' ' {
		at++
	}
	d.at = at
	switch {
	case at == len(text) || text[at] < ' ':
		return "", errJSON
	case text[at] == '\\':
		return d.escaped(start)
	}
	d.at++
	return text[start:at], nil
}

// plainBytes returns how many of the eight bytes of s come before the first that is a quote, a backslash or a control character; eight:
// all. It checks all of them at once: a byte of x - 0x01... has its highest bit set if that of x was zero (Mycroft), and the lowest such
// byte is exact.
func plainBytes(s string) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	_ = s[7]
	x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	quote, slash := x^(ones*'"'), x^(ones*'\\')
	found := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((x - ones*' ') &^ x)
	return bits.TrailingZeros64(found&high) / 8
}

// escaped decodes from the first backslash on.
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
