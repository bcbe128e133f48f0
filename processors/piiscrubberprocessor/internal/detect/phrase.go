package detect

import "strings"

// bearer detects "Bearer <token>" without a header name before it.
func (sc *scan) bearer(i int) int {
	switch lower(at(sc.t, i+1)) {
	case 'y':
		return sc.identifiedBy(i)
	case 'a':
		return sc.basic(i)
	case 's':
		return sc.obscured(i)
	}
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
	if sc.on.Has(JWT) && strings.HasPrefix(sc.t[start:], "eyJ") { // its own detector is more specific
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

// redisUser reports whether line, before a rule for a user of Redis, names one.
func redisUser(line string) bool {
	return strings.Contains(line, "SETUSER ") || strings.HasSuffix(line, " on ") && strings.Contains(line, "user ")
}

// basic detects "Basic <credentials>" without a header name before it: their base64 identifies them.
func (sc *scan) basic(i int) int {
	t := sc.t
	start := i + len("basic ")
	if !foldAt(t, i, "basic ") || is(at(t, i-1), cWord) {
		return 0
	}
	end := start
	for end < len(t) && end-start < maxValue && (is(t[end], cAlnum) || t[end] == '+' || t[end] == '/' || t[end] == '=') {
		end++
	}
	if end-start < 12 || !basic(t[start:end]) {
		return 0
	}
	return sc.found(Password, start, end)
}

// obscured detects the password of "rclone obscure x" (the 'b' is at i).
func (sc *scan) obscured(i int) int {
	t := sc.t
	if !foldAt(t, i-len("rclone o"), "rclone obscure ") {
		return 0
	}
	start := i + len("bscure ")
	if c := at(t, start); c == '"' || c == '\'' {
		start++
	}
	end := plainEnd(t, start)
	if end-start < 4 || t[start] == '-' || placeholder(t[start:end]) {
		return 0
	}
	return sc.found(Password, start, end)
}

// element detects "<password>value</password>" ('>' is at i); the value may be on a separate line.
func (sc *scan) element(i int) int {
	t := sc.t
	if at(t, i-1) == ' ' && redisUser(t[max(0, i-maxKeyName):i]) { // of Redis: ACL SETUSER bob on >x
		if end := plainEnd(t, i+1); end-i > 3 {
			return sc.found(Password, i+1, end)
		}
	}
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
	if name == "value" { // <property name="password"><value>x</value>
		name = attributed(t, parentEnd(t, start-1))
	}
	style := nameStyle(name)
	if n := len(t[start:i]) - len("value"); style == notSecret && n >= 0 && foldAt(t, start+n, "value") {
		name = sibling(t, start-1)
		style = nameStyle(name)
	}
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

// sibling returns the text of the element that ends before the tag at i, white space aside: <param-name>password</param-name>
// <param-value>. Empty if there is none.
func sibling(t string, i int) string {
	for k := i; k > 0 && i-k < 64 && t[k-1] <= ' '; k-- {
		i = k - 1
	}
	low := max(0, i-maxTag)
	if i < 1 || t[i-1] != '>' {
		return ""
	}
	n := strings.LastIndex(t[low:i], "</")
	if n < 0 {
		return ""
	}
	from := runBack(t, low+n, cKey, maxKeyName)
	if at(t, from-1) != '>' {
		return ""
	}
	return t[from : low+n]
}

// wirelessKey reports whether the quote at i begins the key of a wireless network of OpenWrt: option key 'x', beside its encryption.
func wirelessKey(t string, i int) bool {
	return foldAt(t, i-len("option key "), "option key ") && (strings.Contains(t[max(0, i-maxCommand):i], "option encryption ") || strings.Contains(t[i:min(len(t), i+maxCommand)], "option encryption "))
}

// parentEnd returns the position of the '>' that only white space separates from i, 0 if there is none.
func parentEnd(t string, i int) int {
	for k := i - 1; k > 0 && i-k < 64; k-- {
		if t[k] == '>' {
			return k
		}
		if t[k] > ' ' {
			return 0
		}
	}
	return 0
}

// procedures have a user and a password as arguments.
var procedures = wordsOf("sp_addlogin", "sp_password", "sp_addlinkedsrvlogin", "sp_addrolemember")

var setPassword = wordsOf("set password")

// quote detects "IDENTIFIED BY 'value'", "PASSWORD 'value'" and "SET PASSWORD ... = 'value'" of SQL (the quote is at i).
func (sc *scan) quote(i int) int {
	if at(sc.t, i-1) != ' ' || !foldAt(sc.t, i-len("identified by "), "identified by ") && !foldAt(sc.t, i-len(" password "), " password ") &&
		!(at(sc.t, i-2) == '=' && setPassword.in(sc.t, i-2*maxKeyName, i)) && !foldAt(sc.t, i-len("encrypt_string "), "encrypt_string ") && !foldAt(sc.t, i-len(" psk "), " psk ") &&
		!(at(sc.t, i-2) == ',' && procedures.in(sc.t, i-2*maxKeyName, i)) &&
		!(foldAt(sc.t, i-len(" secret "), " secret ") && randomLooking(sc.t[i+1:quoteEnd(sc.t, i+1, '\'')])) && !wirelessKey(sc.t, i) {
		return sc.quotedName(i)
	}
	end := quoteEnd(sc.t, i+1, '\'')
	if end == i+1 || at(sc.t, end) != '\'' || placeholder(sc.t[i+1:end]) {
		return i + 1
	}
	return sc.found(Password, i+1, end)
}

// auth detects Redis' command that logs in (the 'H' is at i): "AUTH x" and "AUTH user x" beside its name, in the answer of MONITOR ("AUTH"
// "x"), and the credentials after "AUTH PLAIN" of mail servers.
func (sc *scan) auth(i int) int {
	t := sc.t
	if i < 3 || t[i-3:i+1] != "AUTH" || is(at(t, i-4), cWord) {
		return 0
	}
	hello := strings.HasSuffix(t[:i-3], "HELLO 3 ") || strings.HasSuffix(t[:i-3], "HELLO 2 ")
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
	if !quoted && !hello && !redisWords.in(t, i-before, i) && !redisWords.in(sc.key, 0, len(sc.key)) {
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
