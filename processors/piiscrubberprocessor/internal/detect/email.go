package detect

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// TokenDomain ends the domain of a mail address that replaces another (tokenize). Nothing under .invalid is an address.
const TokenDomain = ".tok.invalid"

const maxLocal, maxDomain = 64, 253 // octets, RFC 5321 section 4.5.3.1

// at handles '@': a mail address, or a DSN like user:password@tcp(host).
func (sc *scan) at(i int) int {
	if sc.on.Has(URLCredentials) {
		if end := sc.dsn(i); end > i {
			return end
		}
	}
	n := len(sc.out)
	if sc.on.Has(Email) {
		if end := sc.email(i, i+1); len(sc.out) > n || end > i+1 {
			return end
		}
	}
	if sc.on.Has(URLCredentials) {
		return max(i+1, sc.userAt(i))
	}
	return i + 1
}

// email detects an address whose '@' is t[i:dom]: "@", or "%40" in URLs.
func (sc *scan) email(i, dom int) int {
	start := localStart(sc.t, i)
	if start == i {
		return dom
	}
	end := domainEnd(sc.t, dom)
	if end == 0 {
		return dom
	}
	local := sc.t[start:i]
	if local == "git" && at(sc.t, end) == ':' || strings.HasSuffix(sc.t[:start], "://") {
		return dom
	}
	if !mailDomain(sc.t[dom:end]) {
		if end = innerDomain(sc.t, dom, end); end == 0 {
			return dom
		}
	}
	return sc.found(Email, start, end)
}

// innerDomain returns the end of a domain to which something else was joined with a dot: "jane@example.com.Then", a key like
// "seen.jane@example.com.count"; 0 if it is not under a well-known top-level domain.
func innerDomain(t string, from, end int) int {
	if strings.HasSuffix(t[from:end], TokenDomain) {
		return 0
	}
	for n := strings.LastIndexByte(t[from:end], '.'); n > 0; n = strings.LastIndexByte(t[from:end], '.') {
		end = from + n
		if k := strings.LastIndexByte(t[from:end], '.'); k > 0 && commonDomains.exact(t[from+k+1:end]) {
			return end
		}
	}
	return 0
}

var commonDomains = wordsOf("com", "org", "net", "edu", "gov", "mil", "info", "io", "de", "fr", "uk", "it", "es", "nl", "eu", "ru", "cn", "jp", "br", "in", "ch", "at", "be", "se", "pl", "ca", "au")

// escapedAt handles an '@' that JSON, HTML or a second percent-encoding wrote as an escape (the first byte is at i): \u0040, &#64;, %2540.
func (sc *scan) escapedAt(i int) int {
	for _, form := range atForms {
		if form[0] == sc.t[i] && foldAt(sc.t, i, form) {
			return sc.email(i, i+len(form))
		}
		if form[0] == '&' && sc.t[i] == '#' && foldAt(sc.t, i-1, form) {
			return sc.email(i-1, i-1+len(form))
		}
	}
	return i + 1
}

var atForms = [...]string{`\u0040`, `\x40`, "&#64;", "&#x40;", "%2540"}

// localStart returns where the local part that ends before i starts, i if there is none.
func localStart(t string, i int) int {
	if i > 0 && t[i-1] == '"' {
		return quotedLocal(t, i)
	}
	j := runBack(t, i, cLocal, maxLocal)
	// An apostrophe inside a name belongs to it: o'brien@.
	if j > 1 && i-j > 1 && t[j-1] == '\'' && is(t[j-2], cLetter) && is(t[j], cLetter) {
		k := runBack(t, j-1, cLocal, maxLocal-(i-j))
		// If a quote precedes, the apostrophe is a quote too, unless another follows.
		if k < 1 || t[k-1] != '\'' || at(t, run(t, i+1, cKey, maxDomain)) == '\'' {
			j = k
		}
	}
	// "%3Da@b.c": an escape before the address is not part of it.
	for k := i - 3; k >= j; k-- {
		if t[k] == '%' {
			if is(t[k+1], cHex) && is(t[k+2], cHex) && !strings.EqualFold(t[k:k+3], "%2b") {
				j = k + 3
				break
			}
		}
	}
	for j < i && (t[j] == '.' || t[j] == '-' || t[j] == '%' || t[j] == '+') {
		j++
	}
	// Quotes, brackets and colons beyond ASCII are not part of an address.
	for k := j; k < i; k++ {
		if n := wideMark(t, k); n > 0 {
			j = k + n
		}
	}
	// In scripts without blanks between words: "ユーザーtanaka@".
	for k := i - 1; k > j && t[i-1] < 0x80; k-- {
		if t[k-1] >= 0x80 {
			if t[k] < 0x80 && eastAsian(t, k) {
				j = k
			}
			break
		}
	}
	if j < i && t[i-1] == '.' {
		return i
	}
	return j
}

// eastAsian reports whether the character that ends before i is Chinese, Japanese or Korean.
func eastAsian(t string, i int) bool {
	return i >= 3 && t[i-3] >= 0xE3 && t[i-3] <= 0xED
}

// quotedLocal finds the opening quote of a quoted local part ("john doe"@example.com).
func quotedLocal(t string, i int) int {
	escaped := i > 1 && t[i-2] == '\\'
	last := i - 2
	if escaped {
		last--
	}
	for j := last; j >= 0 && i-j <= maxLocal; j-- {
		if t[j] < ' ' || strings.IndexByte(",{}[]:;", t[j]) >= 0 {
			return i
		}
		if t[j] == '"' {
			if j == last {
				return i
			}
			if escaped && j > 0 && t[j-1] == '\\' {
				j--
			}
			if is(at(t, j-1), cWord) {
				return i
			}
			return j
		}
	}
	return i
}

// domainEnd returns the end of the domain, or address literal, at i; 0 if there is none.
func domainEnd(t string, i int) int {
	if at(t, i) == '[' {
		for j := i + 1; j < len(t) && j < i+50; j++ {
			if t[j] == ']' && j > i+7 {
				return j + 1
			}
			if !is(t[j], cHex) && t[j] != '.' && t[j] != ':' && !foldAt(t, i+1, "ipv6:") {
				return 0
			}
		}
		return 0
	}
	end, dot, label := 0, 0, i
	limit := min(len(t), i+maxDomain+1)
	for j := i; ; j++ {
		if j < limit && (is(t[j], cAlnum) || t[j] >= 0x80 || t[j] == '-' && j > label) {
			continue
		}
		stop := j
		for stop > label && t[stop-1] == '-' { // "a@b.com-": the dash isn't the domain's
			stop--
		}
		stop = trimWide(t, label, stop)
		if stop == j && !(at(t, j) == '.' && is(at(t, j+1), cAlnum)) { // "example.jpが"
			stop = asciiEnd(t, label, stop)
		}
		if stop > label && dot > 0 {
			end = stop
		}
		if stop == label || stop != j || j >= limit || t[j] != '.' {
			return end
		}
		dot, label = j, j+1
	}
}

// asciiEnd cuts a label that begins with ASCII where East Asian characters follow.
func asciiEnd(t string, from, end int) int {
	if from >= end || t[from] >= 0x80 {
		return end
	}
	for j := from; j < end; j++ {
		if t[j] >= 0xE3 && t[j] <= 0xED {
			return j
		}
	}
	return end
}

// trimWide removes non-ASCII punctuation from a label, and what follows it.
func trimWide(t string, from, end int) int {
	for j := from; j < end; j++ {
		if wideMark(t, j) > 0 {
			return j
		}
	}
	return end
}

// wideMark returns the length of the non-ASCII punctuation mark at i, 0 if there is none: Latin-1 signs, general punctuation,
// ideographic and full-width marks.
func wideMark(t string, i int) int {
	switch t[i] {
	case 0xC2:
		if c := at(t, i+1); c >= 0x80 && c != 0xAA && c != 0xB5 && c != 0xBA {
			return 2
		}
	case 0xE2:
		if c := at(t, i+1); c >= 0x80 && c <= 0xAF && at(t, i+2) >= 0x80 {
			return 3
		}
	case 0xE3:
		if at(t, i+1) == 0x80 && at(t, i+2) >= 0x80 {
			return 3
		}
	case 0xEF:
		if c := at(t, i+2); at(t, i+1) == 0xBC && (c >= 0x80 && c <= 0x8F || c >= 0x9A && c <= 0xA0) || at(t, i+1) == 0xBD && c >= 0x9B {
			return 3
		}
	}
	return 0
}

// mailDomain reports whether mail could be sent to domain: its last label is an existing top-level domain, or one that private networks
// and examples use. So "icon@2x.png" and "getty@tty1.service" aren't addresses. Nothing under .invalid (RFC 2606) is, because our own
// tokens use it.
func mailDomain(domain string) bool {
	if domain[0] == '[' {
		return true
	}
	top := domain[strings.LastIndexByte(domain, '.')+1:]
	if len(top) < 2 || is(top[0], cDigit) {
		return false
	}
	if top[0] >= 0x80 || foldAt(top, 0, "xn--") {
		return true
	}
	top = strings.ToLower(top)
	switch top {
	case "invalid":
		return false
	case "local", "localdomain", "internal", "intranet", "lan", "corp", "home", "private", "example", "test":
		return true
	case "zip", "mov", "sh", "py", "rs", "so", "md", "pl", "ps": // top-level domains, and file names more often
		if is(domain[0], cDigit) {
			return false
		}
	}
	_, icann := publicsuffix.PublicSuffix(top)
	return icann
}
