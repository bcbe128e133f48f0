package detect

import "strings"

// bearer looks for "Bearer <token>" that no header name precedes.
func (sc *scan) bearer(i int) int {
	if !foldAt(sc.t, i, "bearer") || is(at(sc.t, i-1), cWord) {
		return 0
	}
	start := i + len("bearer")
	if at(sc.t, start) == ':' {
		start++
	}
	if at(sc.t, start) != ' ' {
		return 0
	}
	start++
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

// sentence looks for "the password is x", "password x", "passwd (x)", "password for bob: x", "password changed from x to y" (the 'w'
// is at i). Without a separator only what can't be a word is taken: letters and digits mixed.
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
	owned := false
	if foldAt(t, end, "for ") || foldAt(t, end, "of ") {
		if end = owner(t, run(t, end, cLetter, 3)+1); end == 0 {
			return 0
		}
		owned = true
	}
	for _, word := range [...]string{"has been ", "was ", "is: ", "is ", "changed ", "reset ", "set ", "updated ", "rotated ", "now "} {
		if foldAt(t, end, word) {
			end += len(word)
		}
	}
	if foldAt(t, end, "from ") {
		if stop := sc.spoken(end+len("from "), owned); stop > 0 {
			end = stop
			if at(t, end) == '"' || at(t, end) == '\'' {
				end++
			}
			if !foldAt(t, end, " to ") {
				return end
			}
			return max(end, sc.spoken(end+len(" to "), owned))
		}
		return 0
	}
	if foldAt(t, end, "to ") {
		end += len("to ")
	}
	if is(at(t, end), cDigit) && at(t, end+1) == ' ' { // how a router has it: password 7 0822455D0A16
		end += 2
	}
	return sc.spoken(end, owned)
}

// owner skips "user root" or "bob", and ':' or '=' behind it; 0 if nobody is named.
func owner(t string, i int) int {
	for _, word := range [...]string{"the ", "user ", "account ", "login ", "database ", "db ", "role "} {
		if foldAt(t, i, word) {
			i += len(word)
		}
	}
	quoted := 0
	if c := at(t, i); c == '"' || c == '\'' || c == '`' {
		quoted = 1
	}
	end := i + quoted
	for end < len(t) && end-i < maxKeyName && (is(t[end], cKey) || t[end] == '@' || t[end] >= 0x80 || t[end] == '\\' || t[end] == '[' || t[end] == ']' && end > i) {
		end++
	}
	if end == i+quoted {
		return 0
	}
	end += quoted
	if c := at(t, end); c == ':' || c == '=' {
		end++
	} else if at(t, end) == ' ' && (at(t, end+1) == '=' || at(t, end+1) == ':') {
		end += 2
	}
	if at(t, end) != ' ' {
		return 0
	}
	return end + 1
}

// spoken takes the password that stands at i of a sentence; with owned the sentence says whose it is. It returns its end, 0 if there is
// none.
func (sc *scan) spoken(i int, owned bool) int {
	t := sc.t
	start, end := i, 0
	switch c := at(t, start); c {
	case '(', '"', '\'', '`':
		start++
		end = plainEnd(t, start)
	default:
		end = plainEnd(t, start)
	}
	for end > start && strings.IndexByte(".,;:!)", t[end-1]) >= 0 && !(owned && t[end-1] == '!') {
		end--
	}
	v := t[start:end]
	if len(v) > 64 || placeholder(v) || code(t, start, end) {
		return 0
	}
	if len(v) >= 6 && passwordLike(v) || owned && len(v) >= 6 && !oneWord(v) && signed(v) {
		return sc.found(Password, start, end)
	}
	return 0
}

// signed reports whether v holds letters and a sign that words and numbers don't.
func signed(v string) bool {
	return strings.ContainsFunc(v, isLetter) && strings.ContainsAny(v, "!#$%^&*?~+=|{}<>@")
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

// element looks for "<password>value</password>" ('>' is at i); the value may stand on a line of its own.
func (sc *scan) element(i int) int {
	t := sc.t
	start := runBack(t, i, cKey, maxKeyName)
	name := t[start:i]
	if start == i || at(t, start-1) != '<' && at(t, start-1) != ':' {
		name = attributed(t, i)
	}
	from := i + 1
	if name == "key" {
		if k, of := listed(t, i); k > 0 {
			from, name = k, of
		}
	}
	style := nameStyle(name)
	if style == notSecret {
		return i + 1
	}
	for from < len(t) && from-i < 128 && t[from] <= ' ' {
		from++
	}
	if strings.HasPrefix(t[from:], "<![CDATA[") {
		from += len("<![CDATA[")
	}
	end := from
	for end < len(t) && end-from < maxValue && t[end] != '<' && t[end] != '\n' {
		end++
	}
	if at(t, end) == '\n' && strings.TrimLeft(t[end:min(len(t), end+128)], " \t\r\n") == "" || end == from {
		return i + 1
	}
	next := end
	for next < len(t) && next-end < 128 && t[next] <= ' ' {
		next++
	}
	if at(t, next) != '<' {
		return i + 1
	}
	for end > from && (t[end-1] <= ' ' || strings.HasSuffix(t[from:end], "]]>")) {
		if t[end-1] == '>' {
			end -= 3
			continue
		}
		end--
	}
	if end == from || placeholder(t[from:end]) || !fits(style, t[from:end]) && style != cookieSecret {
		return i + 1
	}
	if next := sc.specific(from, end); next > 0 {
		return next
	}
	return sc.found(Password, from, end)
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

// auth looks for the command of Redis that logs in (the 'H' is at i): "AUTH x" and "AUTH user x" beside its name, in the answer of
// MONITOR ("AUTH" "x"), and the credentials behind "AUTH PLAIN" of mail servers.
func (sc *scan) auth(i int) int {
	t := sc.t
	if i < 3 || t[i-3:i+1] != "AUTH" || is(at(t, i-4), cWord) {
		return 0
	}
	end := i + 1
	if at(t, end) == '"' {
		end++
	}
	if at(t, end) != ' ' {
		return 0
	}
	start := end + 1
	for _, mail := range [...]string{"PLAIN ", "LOGIN ", "XOAUTH2 ", "CRAM-MD5 "} {
		if strings.HasPrefix(t[start:], mail) {
			start += len(mail)
			stop := start
			for stop < len(t) && (is(t[stop], cAlnum) || t[stop] == '+' || t[stop] == '/' || t[stop] == '=') {
				stop++
			}
			if stop-start >= 8 && (digitRun(t[start:stop]) > 0 || t[stop-1] == '=') {
				return sc.found(Password, start, stop)
			}
			return 0
		}
	}
	quoted := at(t, i+1) == '"' && at(t, start) == '"'
	if !quoted && !redisWords.in(t, i-before, i) && !redisWords.in(sc.key, 0, len(sc.key)) {
		return 0
	}
	for range 2 { // one argument is the password, of two the second is
		if at(t, start) == '"' || at(t, start) == '\'' {
			start++
		}
		end = plainEnd(t, start)
		next := end
		if c := at(t, next); c == '"' || c == '\'' {
			next++
		}
		if at(t, next) != ' ' || !(at(t, next+1) == '"' || is(at(t, next+1), cAlnum)) || quoted && at(t, next+1) != '"' {
			break
		}
		stop := plainEnd(t, next+1)
		if at(t, next+1) == '"' {
			stop = plainEnd(t, next+2)
		}
		if stop-next < 5 || !quoted && oneWord(t[next+1:stop]) {
			break
		}
		start = next + 1
	}
	v := t[start:end]
	if len(v) < 3 || placeholder(v) || authAnswers.exact(v) || code(t, start, end) {
		return 0
	}
	return sc.found(Password, start, end)
}

var (
	redisWords  = wordsOf("redis", "rediss", "valkey", "keydb", "sentinel", "jedis", "lettuce")
	authAnswers = wordsOf("failed", "error", "called", "command", "required", "ok", "without", "with", "wrongpass", "success", "succeeded", "needed", "denied", "timeout", "attempt", "attempts", "enabled", "disabled", "for", "is", "was", "token", "user", "header")
)
