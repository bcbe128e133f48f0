package detect

import (
	"hash/crc32"
	"strings"
)

// literal is a credential with a fixed prefix. One byte of the prefix, chosen to be rare in text, indicates it.
type literal struct {
	kind      Kind
	prefix    string
	anchor    int               // index of the indicating byte in prefix
	back      int               // bytes of the token before the prefix
	chars     uint8             // class of the body
	extra     string            // further bytes of the body
	min       int               // length of the body
	max       int               // 0: no limit
	valid     func(string) bool // of the body; nil: any
	head      func(string) bool // of the text before the prefix
	headChars uint8             // class of its last byte
}

// maxToken is the longest body that is detected, in bytes.
const maxToken = 1 << 10

// maxKeyBody is the longest private key in base64 of base64, in bytes.
const maxKeyBody = 1 << 14

const literalKinds = Set(1<<AWSKey | 1<<GCPKey | 1<<AzureKey | 1<<GitHubToken | 1<<GitLabToken | 1<<SlackToken | 1<<StripeKey |
	1<<OpenAIKey | 1<<AnthropicKey | 1<<JWT | 1<<VendorToken | 1<<PrivateKey)

// literalIndex finds the prefixes that a byte and the one before it belong to.
type literalIndex struct {
	row   [256]uint8   // of next, by the anchor; 0: no anchor
	next  [][256]uint8 // of lists, by the byte in front of the anchor
	lists [][]literal  // the first is empty
}

func (x *literalIndex) add(l literal) {
	if x.row[l.prefix[l.anchor]] == 0 {
		if len(x.next) == 0 {
			x.next, x.lists = make([][256]uint8, 1), make([][]literal, 1)
		}
		x.row[l.prefix[l.anchor]] = uint8(len(x.next))
		x.next = append(x.next, [256]uint8{})
	}
	next := &x.next[x.row[l.prefix[l.anchor]]]
	enter := func(prior byte) {
		if next[prior] == 0 {
			next[prior] = uint8(len(x.lists))
			x.lists = append(x.lists, nil)
		}
		x.lists[next[prior]] = append(x.lists[next[prior]], l)
	}
	if l.anchor > 0 {
		enter(l.prefix[l.anchor-1])
		return
	}
	for prior := range 256 { // what may precede the token
		if !is(byte(prior), cAlnum) || l.back > 0 && is(byte(prior), l.headChars) {
			enter(byte(prior))
		}
	}
}

// of returns the literals whose anchor is t[i].
func (x *literalIndex) of(t string, i int) []literal {
	r := x.row[t[i]]
	if r == 0 {
		return nil
	}
	k := x.next[r][at(t, i-1)]
	if k == 0 {
		return nil
	}
	return x.lists[k]
}

// useLiterals enters the prefixes of the enabled kinds into the table.
func (s *Scanner) useLiterals() {
	for _, l := range literals {
		if s.on.Has(l.kind) {
			s.table[l.prefix[l.anchor]] = aLiteral
			s.literals.add(l)
		}
	}
}

// literal compares the prefixes that t[i] indicates.
func (sc *scan) literal(i int) int {
	list := sc.literals.of(sc.t, i)
	for k := range list {
		l := &list[k]
		p := i - l.anchor
		if p < l.back || sc.t[p] != l.prefix[0] || !strings.HasPrefix(sc.t[p:], l.prefix) {
			continue
		}
		start := p - l.back
		// Inside a body that was already examined nothing begins: a text full of prefixes would be read once for each.
		if c := at(sc.t, start-1); start > 0 && (is(c, cAlnum|l.chars) || c == '.' && l.extra != "" && strings.IndexByte(l.prefix, '/') < 0) || l.head != nil && !l.head(sc.t[start:p]) {
			continue
		}
		body := p + len(l.prefix)
		end, limit := body, min(len(sc.t), body+maxToken)
		if l.kind == PrivateKey {
			limit = min(len(sc.t), body+maxKeyBody)
		}
		for end < limit && (is(sc.t[end], l.chars) || l.extra != "" && strings.IndexByte(l.extra, sc.t[end]) >= 0) {
			end++
		}
		for end > body && (sc.t[end-1] == '.' || sc.t[end-1] == '/') { // of the sentence
			end--
		}
		if n := end - body; n < l.min || l.max > 0 && n > l.max || is(at(sc.t, end), cAlnum) || l.valid != nil && !l.valid(sc.t[body:end]) {
			continue
		}
		return sc.found(l.kind, start, end)
	}
	return i + 1
}

// azureHead: a client secret of Entra ID has three characters and a digit before "Q~".
func azureHead(s string) bool {
	for i := 0; i < 3; i++ {
		if !is(s[i], cBase64) && s[i] != '.' && s[i] != '~' {
			return false
		}
	}
	return is(s[3], cDigit)
}

// githubChecksum checks the last six characters: the CRC-32 of the others in base 62 (GitHub, "Behind GitHub's new
// authentication token formats", 2021).
func githubChecksum(s string) bool {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var buf [30]byte
	if len(s) != 36 {
		return false
	}
	copy(buf[:], s)
	sum := crc32.ChecksumIEEE(buf[:])
	for i := 35; i >= 30; i-- {
		if s[i] != digits[sum%62] {
			return false
		}
		sum /= 62
	}
	return true
}

// mixed: random characters, not words joined by dashes. A run of sixteen without a dash, at least three digits and one letter.
func mixed(s string) bool {
	nDigits, letters, longest, cur := 0, 0, 0, 0
	for i := 0; i < len(s); i++ {
		switch {
		case is(s[i], cDigit):
			nDigits++
		case is(s[i], cLetter):
			letters++
		}
		if cur++; s[i] == '-' || s[i] == '_' {
			cur = 0
		}
		longest = max(longest, cur)
	}
	return longest >= 16 && letters > 0 && (nDigits >= 3 || strings.Contains(s, "T3BlbkFJ"))
}

func oneDot(s string) bool { return strings.Count(s, ".") == 1 }

// secretKeyGroups: the groups of a secret key of 1Password: 6, 11 or 6 and 5, then three of 5.
func secretKeyGroups(s string) bool {
	n := strings.Count(s, "-")
	return (n == 4 && len(s) == 6+11+15+4 || n == 5 && len(s) == 6+6+5+15+5 || n == 5 && len(s) == 6+25+5) && at(s, 6) == '-' && digitRun(s) > 0
}

// hexHead: thirty-two hexadecimal digits, letters among them.
func hexHead(s string) bool { return run(s, 0, cHex, 32) == 32 && hasHexLetter(s) }

// digitAndLetter reports whether s holds both.
func digitAndLetter(s string) bool {
	n := digitRun(s)
	return n > 0 && strings.ContainsFunc(s, isLetter)
}

// alnumHead: fourteen letters and digits, mixed.
func alnumHead(s string) bool { return run(s, 0, cAlnum, 14) == 14 && digitAndLetter(s) }

// threeKinds reports whether s holds a digit, a capital and a small letter.
func threeKinds(s string) bool {
	var seen uint8
	for i := 0; i < len(s); i++ {
		seen |= charClass[s[i]] & (cDigit | cUpper | cLower)
	}
	return seen == cDigit|cUpper|cLower
}

// resend: eight characters, an underscore, twenty-four.
func resend(s string) bool { return at(s, 8) == '_' && threeKinds(s) }

// airtable detects a personal access token of Airtable: "pat" and fourteen characters, a dot (at i), sixty-four hexadecimal digits.
func (sc *scan) airtable(i int) int {
	t := sc.t
	if at(t, i-17) != 'p' || at(t, i-16) != 'a' || at(t, i-15) != 't' || !sc.on.Has(VendorToken) || is(at(t, i-18), cWord) {
		return 0
	}
	end := run(t, i+1, cHex, 65)
	if end != i+65 || run(t, i-14, cAlnum, 14) != i || is(at(t, end), cWord) {
		return 0
	}
	return sc.found(VendorToken, i-17, end)
}

// keyInside reports whether s, the base64 of a PEM block, has PRIVATE KEY in its label.
func keyInside(s string) bool {
	s = s[:min(len(s), 64)]
	return strings.Contains(s, "UFJJVkFURSBLRV") || strings.Contains(s, "BSSVZBVEUgS0VZ") || strings.Contains(s, "QUklWQVRFIEtFW")
}

// jwtInside reports whether s, the base64 of a text that begins with "eyJ", is that of a JWT: what follows its "ZXlK" decodes to
// more base64 and a dot.
func jwtInside(s string) bool {
	var header [160]byte
	n, bits, acc := 0, 0, uint32(0)
	for i := 0; i < len(s) && n < len(header); i++ {
		v := base64Value(s[i])
		if v == 0xFF {
			break
		}
		acc, bits = acc<<6|uint32(v), bits+6
		if bits >= 8 {
			bits -= 8
			c := byte(acc >> bits)
			if c == '.' {
				return n > 12 && joseHeader("eyJ"+string(header[:n]))
			}
			if !is(c, cBase64) {
				return false
			}
			header[n] = c
			n++
		}
	}
	return false
}

// discord detects a bot's token: the id in base64, six characters, 27 or more (the first dot is at i).
func (sc *scan) discord(i int) int {
	t := sc.t
	if at(t, i+7) != '.' || !sc.on.Has(VendorToken) {
		return 0
	}
	start := runBack(t, i, cBase64, 29)
	if n := i - start; n < 23 || n > 28 || t[start] < 'M' || t[start] > 'O' || is(at(t, start-1), cBase64) || run(t, i+1, cBase64, 6) != i+7 {
		return 0
	}
	end := run(t, i+8, cBase64, 40)
	if n := end - i - 8; n < 27 || n > 39 || !digitAndLetter(t[start:i]) {
		return 0
	}
	return sc.found(VendorToken, start, end)
}
