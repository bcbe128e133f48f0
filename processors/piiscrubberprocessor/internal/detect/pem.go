package detect

import "strings"

const beginMark, endMark = "-----BEGIN ", "-----END "

// dash handles '-': a private key, a hardware address, a flag, a vendor's prefix.
func (sc *scan) dash(i int) int {
	t := sc.t
	if c := at(t, i+1); c == ' ' && at(t, i-1) == ' ' || c == '"' { // most dashes: between two parts of a line, and of an access log
		return i + 1
	}
	if at(t, i+1) == '-' {
		if sc.on.Has(PrivateKey) && strings.HasPrefix(t[i:], beginMark) {
			if end := sc.privateKey(i); end > i {
				return end
			}
		}
		if sc.on.Has(Password) && at(t, i-1) != '-' {
			if end := sc.flag(i); end > i {
				return end
			}
		}
	}
	if at(t, i-1) == '<' && at(t, i+1) == ' ' && quoteNext(t, i+1) && sc.on.Has(Password) { // R: password <- "x"
		return sc.pairOf(i-1, i)
	}
	if at(t, i+1) == '>' && at(t, i+2) == ' ' && at(t, i-1) == ' ' && sc.on.Has(Password) {
		return sc.arrow(i)
	}
	if is(at(t, i+1), cLetter) && sc.on.Has(Password) {
		if end := sc.shortFlag(i); end > i {
			return end
		}
		if end := sc.dashed(i); end > i {
			return end
		}
	}
	if sc.on.Has(MAC) && is(at(t, i-1), cHex) && at(t, i+3) == '-' {
		if end := sc.mac(i - 2); end > 0 {
			return end
		}
	}
	return sc.literal(i)
}

// privateKey detects a PEM or OpenPGP block (RFC 7468, RFC 9580) whose label says that it is private, whether its line breaks are real,
// escaped or gone; if its end was cut off, as far as it looks like one.
func (sc *scan) privateKey(i int) int {
	t := sc.t
	label := i + len(beginMark)
	for label < len(t) && label-i < 64 && (is(t[label], cUpper|cDigit) || t[label] == ' ') {
		label++
	}
	if !strings.Contains(t[i:label], "PRIVATE KEY") || !strings.HasPrefix(t[label:], "-----") {
		return 0
	}
	body := label + len("-----")
	if sc.endPos < body {
		if n := strings.Index(t[body:], endMark); n >= 0 {
			sc.endPos = body + n
		} else {
			sc.endPos = len(t)
		}
	}
	limit := sc.endPos
	j := max(body, min(sc.pemRun, limit)) // read already, for a beginning further in front
	for j < limit && (is(t[j], cBase64) || t[j] <= ' ' || strings.IndexByte("+/=\\:,.()@<>|\"'", t[j]) >= 0 || t[j] >= 0x80) {
		j++
	}
	sc.pemRun = j
	if j == limit && limit < len(t) {
		// The END line: its label, five dashes.
		j += len(endMark)
		for j < len(t) && j-limit < 64 && (is(t[j], cUpper|cDigit) || t[j] == ' ') {
			j++
		}
		if strings.HasPrefix(t[j:], "-----") {
			j += len("-----")
		}
		return sc.found(PrivateKey, i, j)
	}
	// Cut off: lines of base64 only.
	j = body
	for j < limit {
		k := j
		for k < limit && (is(t[k], cAlnum) || t[k] == '+' || t[k] == '/' || t[k] == '=') {
			k++
		}
		if k-j < 16 && k < limit && j > body+4 {
			break
		}
		for k < limit && (t[k] <= ' ' || t[k] == '\\') {
			if t[k] == '\\' {
				k++
			}
			k++
		}
		if k == j {
			break
		}
		j = min(k, limit)
	}
	return sc.found(PrivateKey, i, j)
}
