package detect

// jwt detects "eyJ" ('J' is at i): three or five parts in base64url, the first of which decodes to a JOSE header (RFC 7515 section 7.1,
// RFC 7516 section 7.1).
func (sc *scan) jwt(i int) int {
	t := sc.t
	start := i - 2
	if start < 0 || t[start] != 'e' || t[start+1] != 'y' || is(at(t, start-1), cBase64) || at(t, start-1) == '.' || !sc.on.Has(JWT) {
		return 0
	}
	var part [5]int // ends
	n, j := 0, start
	for n < len(part) {
		end := run(t, j, cBase64, len(t))
		part[n] = end
		n++
		if at(t, end) != '.' || n == len(part) {
			break
		}
		j = end + 1
	}
	end := part[n-1]
	if n == 1 || part[0] == start || !joseHeader(t[start:part[0]]) {
		return 0
	}
	if n == 2 && !(part[1]-part[0] > 3 && t[part[0]+1] == 'e' && t[part[0]+2] == 'y') { // the signature was cut off
		return 0
	}
	if n == 3 && end == part[1]+1 && is(at(t, end), cWord) {
		return 0
	}
	for end > start && t[end-1] == '.' && n != 3 { // a sentence's full stop
		end--
	}
	return sc.found(JWT, start, end)
}

// joseHeader decodes the beginning of s and reports whether it is a JSON object that names an algorithm or a type.
func joseHeader(s string) bool {
	var buf [384]byte
	n, bits, acc := 0, 0, uint32(0)
	for i := 0; i < len(s) && n < len(buf); i++ {
		v := base64Value(s[i])
		if v == 0xFF {
			return false
		}
		acc, bits = acc<<6|uint32(v), bits+6
		if bits >= 8 {
			bits -= 8
			buf[n] = byte(acc >> bits)
			n++
		}
	}
	b := buf[:n]
	if n < 2 || b[0] != '{' {
		return false
	}
	for i := 1; i+5 < n; i++ {
		if b[i] == '"' && b[i+4] == '"' {
			switch string(b[i+1 : i+4]) {
			case "alg", "enc", "typ", "kid":
				return true
			}
		}
	}
	return false
}

func base64Value(c byte) byte {
	switch {
	case is(c, cUpper):
		return c - 'A'
	case is(c, cLower):
		return c - 'a' + 26
	case is(c, cDigit):
		return c - '0' + 52
	case c == '-', c == '+':
		return 62
	case c == '_', c == '/':
		return 63
	}
	return 0xFF
}
