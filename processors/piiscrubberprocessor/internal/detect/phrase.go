package detect

import "strings"

// bearer looks for "Bearer <token>" that no header name precedes.
func (sc *scan) bearer(i int) int {
	if !foldAt(sc.t, i, "bearer ") || is(at(sc.t, i-1), cWord) {
		return 0
	}
	start := i + len("bearer ")
	if sc.on.Has(JWT) && strings.HasPrefix(sc.t[start:], "eyJ") { // its own detector knows it better
		return 0
	}
	end := start
	for end < len(sc.t) && end-start < maxValue && (is(sc.t[end], cBase64) || strings.IndexByte(".~+/=", sc.t[end]) >= 0) { // RFC 6750 section 2.1
		end++
	}
	for end > start && sc.t[end-1] == '.' {
		end--
	}
	if v := sc.t[start:end]; len(v) < 12 || placeholder(v) || len(v) < 24 && strings.IndexFunc(v[1:], isUpperOrDigit) < 0 {
		return 0
	}
	return sc.found(Password, start, end)
}

// sentence looks for "the password is x", "password x", "passwd (x)" (the 'w' is at i). Without a separator only what can't be a word
// is taken: letters and digits mixed.
func (sc *scan) sentence(i int) int {
	t := sc.t
	end := 0
	switch {
	case foldAt(t, i-4, "password"):
		end = i + 4
	case foldAt(t, i-4, "passwd"):
		end = i + 2
	case foldAt(t, i-1, "pwd") && !is(at(t, i-2), cLetter):
		end = i + 2
	default:
		return 0
	}
	if at(t, end) != ' ' {
		return 0
	}
	end++
	for _, verb := range [...]string{"is ", "was ", "to "} {
		if foldAt(t, end, verb) {
			end += len(verb)
			break
		}
	}
	start := end
	switch at(t, start) {
	case '(', '"', '\'':
		start++
	}
	end = plainEnd(t, start)
	for end > start && strings.IndexByte(".,;:!)", t[end-1]) >= 0 {
		end--
	}
	v := t[start:end]
	if len(v) < 6 || len(v) > 64 || !passwordLike(v) || placeholder(v) || code(v, at(t, end)) {
		return 0
	}
	return sc.found(Password, start, end)
}

// passwordLike reports whether v has a digit and a letter, and either two kinds of letters, or a sign, or eight characters; and isn't
// the name of an algorithm, an address or a path.
func passwordLike(v string) bool {
	var seen uint8
	signs := 0
	for i := 0; i < len(v); i++ {
		seen |= charClass[v[i]] & (cDigit | cUpper | cLower)
		if strings.IndexByte("!#$%^&*?~", v[i]) >= 0 {
			signs++
		}
		if v[i] == '/' || v[i] == '=' || v[i] == ':' || v[i] == '@' {
			return false
		}
	}
	if seen&cDigit == 0 || seen&cLetter == 0 || algorithms.in(v, 0, len(v)) {
		return false
	}
	return seen == cDigit|cLetter || signs > 0 || len(v) >= 8
}

var algorithms = wordsOf("sha", "sha1", "sha256", "sha512", "md5", "bcrypt", "argon2", "pbkdf2", "scrypt", "scram", "aes", "aes256", "base64", "utf8", "oauth2", "sha224", "sha384", "argon2id", "argon2i")

func isUpperOrDigit(r rune) bool { return r < 0x80 && is(byte(r), cUpper|cDigit) }

// element looks for "<password>value</password>" ('>' is at i).
func (sc *scan) element(i int) int {
	start := runBack(sc.t, i, cKey, maxKeyName)
	if start == i || at(sc.t, start-1) != '<' && at(sc.t, start-1) != ':' || nameStyle(sc.t[start:i]) == notSecret {
		return i + 1
	}
	end := i + 1
	for end < len(sc.t) && end-i < maxValue && sc.t[end] != '<' && sc.t[end] != '\n' {
		end++
	}
	if end == i+1 || at(sc.t, end) != '<' || placeholder(sc.t[i+1:end]) {
		return i + 1
	}
	if next := sc.specific(i+1, end); next > 0 {
		return next
	}
	return sc.found(Password, i+1, end)
}

var setPassword = wordsOf("set password")

// quote looks for "IDENTIFIED BY 'value'", "PASSWORD 'value'" and "SET PASSWORD ... = 'value'" of SQL (the quote is at i).
func (sc *scan) quote(i int) int {
	if at(sc.t, i-1) != ' ' || !foldAt(sc.t, i-len("identified by "), "identified by ") && !foldAt(sc.t, i-len(" password "), " password ") &&
		!(at(sc.t, i-2) == '=' && setPassword.in(sc.t, i-2*maxKeyName, i)) {
		return i + 1
	}
	end := quoteEnd(sc.t, i+1, '\'')
	if end == i+1 || at(sc.t, end) != '\'' || placeholder(sc.t[i+1:end]) {
		return i + 1
	}
	return sc.found(Password, i+1, end)
}
