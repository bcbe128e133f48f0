package detect

import "strings"

// maxEncoded is how much of a JSON object in base64 is searched, in bytes of base64.
const maxEncoded = 1 << 12

// encoded detects a JSON object in base64 in which something is detected (the 'J' of its "eyJ", the base64 of `{"`, is at i). It is one
// finding of the first kind. An object inside an object's base64 is not searched.
func (sc *scan) encoded(i int) int {
	t := sc.t
	start := i - 2
	if start < 0 || t[start] != 'e' || t[start+1] != 'y' || sc.inside {
		return 0
	}
	if c := at(t, start-1); is(c, cBase64) || c == '+' || c == '/' || c == '.' { // inside of other base64; a part of a token
		return 0
	}
	end := start
	for end < len(t) && base64Value(t[end]) != 0xFF {
		end++
	}
	if at(t, end) == '.' && is(at(t, end+1), cBase64) || end-start < 24 {
		return 0
	}
	text := unbase64(t[start:min(end, start+maxEncoded)])
	if strings.IndexByte(text, ':') < 0 {
		return 0
	}
	for padding := 0; at(t, end) == '=' && padding < 2; padding++ {
		end++
	}
	inner := scan{Scanner: sc.Scanner, t: text, atPos: -1, endPos: -1, inside: true}
	inner.walk()
	if len(inner.out) == 0 {
		return 0
	}
	return sc.found(inner.out[0].Kind, start, end)
}

// unbase64 decodes s, which has digits of base64 or base64url only.
func unbase64(s string) string {
	var b strings.Builder
	b.Grow(len(s) * 3 / 4)
	bits, acc := 0, uint32(0)
	for i := range len(s) {
		if acc, bits = acc<<6|uint32(base64Value(s[i])), bits+6; bits >= 8 {
			bits -= 8
			b.WriteByte(byte(acc >> bits))
		}
	}
	return b.String()
}
