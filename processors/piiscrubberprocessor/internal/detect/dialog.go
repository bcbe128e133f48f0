package detect

import "strings"

// typedIn reports whether v, which is typed to sign in, can be a password and is not a name, path or word of a sentence.
func typedIn(v string) bool {
	return len(v) >= 6 && passwordLike(v) && randomLooking(v) && !placeholder(v)
}

// lineEnd reports whether a line ends at i.
func lineEnd(t string, i int) bool {
	c := at(t, i)
	return c == 0 || c == '\n' || c == '\r' || c == '"' || c == '\'' || c == '\\' && (at(t, i+1) == 'r' || at(t, i+1) == 'n')
}

// pass detects the command with which FTP, POP3 and NNTP send a password, and a directive of a configuration (the second 's' of "pass" is
// at i): PASS x, auth_pass x, "SetEnv DB_PASS x". The line ends with the value. It returns the value's end, 0 if there is none.
func (sc *scan) pass(i int) int {
	t := sc.t
	if !foldAt(t, i-3, "pass ") {
		return 0
	}
	switch c := at(t, i-4); {
	case c == '_' || c == '-':
		if !passOwners.exact(t[runBack(t, i-4, cAlnum, 16) : i-4]) {
			return 0
		}
	case is(c, cWord) || !commanded(t, i-3) && !directive(t, i-3):
		return 0
	}
	from := i + 2
	if at(t, from) == '"' {
		from++
	}
	end := plainEnd(t, from)
	if v := t[from:end]; !lineEnd(t, end) || !typedIn(v) || suffixed(v) || uuidAt(t, from) == end {
		return 0
	}
	return sc.found(Password, from, end)
}

// passOwners precede "_pass" if it is a password, and not a pass through something.
var passOwners = wordsOf("auth", "db", "database", "mysql", "pg", "postgres", "redis", "mongo", "rabbitmq", "mail", "smtp", "imap", "pop3", "ftp", "sftp", "ldap", "http", "proxy", "ssh", "rpc", "vpn", "wifi", "wpa", "admin", "root", "user", "login",
	"remote", "file", "key", "cert", "ssl", "tls", "keystore", "truststore", "sudo", "become", "basic")

// directive reports whether what begins at i is the first word of a line of a configuration that has other lines: "Host mail\nUser
// bob\nPass x".
func directive(t string, i int) bool {
	line := i
	for at(t, line-1) == ' ' || at(t, line-1) == '\t' {
		line--
	}
	return at(t, line-1) == '\n' && is(t[i], cUpper) && is(t[i+1], cLower)
}

// commanded reports whether what begins at i is a command of a dialog, and not a word of a report: a prompt or "AUTHINFO" precedes it, or
// the command that names the user.
func commanded(t string, i int) bool {
	if c := at(t, i-2); at(t, i-1) == ' ' && (c == '>' || c == ':' && at(t, i-4) <= ' ' || foldAt(t, i-len("authinfo "), "authinfo ") || foldAt(t, i-len("quote "), "quote ")) {
		return true
	}
	return strings.Contains(t[max(0, i-maxCommand):i], "USER ")
}

// login detects IMAP's command that signs in (the 'G' of "LOGIN" is at i): LOGIN bob x. It returns the value's end, 0 if there is none.
func (sc *scan) login(i int) int {
	t := sc.t
	if i < 2 || !strings.HasPrefix(t[i-2:], "LOGIN ") || at(t, i-3) != ' ' || digitRun(t[runBack(t, i-3, cAlnum, 12):i-3]) == 0 { // a tag of IMAP has a number
		return 0
	}
	user := i + len("GIN ")
	end := user
	for end < len(t) && end-user < 2*maxKeyName && t[end] > ' ' {
		end++
	}
	if end == user || at(t, end) != ' ' {
		return 0
	}
	from, quoted := end+1, 0
	if at(t, from) == '"' {
		from, quoted = from+1, 1
	}
	if end = plainEnd(t, from); quoted == 1 && at(t, end) != '"' || !lineEnd(t, end+quoted) || !typedIn(t[from:end]) {
		return 0
	}
	return sc.found(Password, from, end)
}

// userAt detects user:password before the name of a host in command lines (the '@' is at i): ssh root:x@10.2.3.4. It returns where the
// scan continues, 0 if there is none.
func (sc *scan) userAt(i int) int {
	t := sc.t
	if !is(at(t, i+1), cAlnum) || strings.HasPrefix(t[i+1:], "sha256:") || strings.HasPrefix(t[i+1:], "sha512:") {
		return 0
	}
	colon := i
	for colon > 0 && i-colon < maxKeyName && t[colon-1] > ' ' && t[colon-1] != ':' && t[colon-1] != '/' && t[colon-1] != '"' && t[colon-1] != '\'' && t[colon-1] != '@' {
		colon--
	}
	if at(t, colon-1) != ':' || !typedIn(t[colon:i]) {
		return 0
	}
	user := runBack(t, colon-1, cKey, 33)
	if user == colon-1 || !is(t[user], cLower) {
		return 0
	}
	switch c := at(t, user-1); c {
	case 0, ' ', '\t', '\n', '"', '\'', '=', ':', '(', '[':
	case '/', '\\': // DOMAIN/user:x@host
		if from := runBack(t, user-1, cUpper|cDigit, 24); from == user-1 || at(t, from-1) > ' ' {
			return 0
		}
	default:
		return 0
	}
	return max(i+1, sc.found(URLCredentials, user, i))
}

// netUse detects the password of Windows' command that joins a share (the colon of "/user:" is at i): net use \\h\s /user:bob x, net use
// Z: \\h\s x /user:bob. It returns where the scan continues, 0 if there is none.
func (sc *scan) netUse(i int) int {
	t := sc.t
	low := max(0, i-maxCommand)
	n := strings.LastIndex(t[low:i], "net use ")
	if n < 0 || strings.IndexByte(t[low+n:i], '\n') >= 0 {
		return 0
	}
	end := i + 1
	for end < len(t) && end-i < 2*maxKeyName && t[end] > ' ' {
		end++
	}
	from := end + 1
	if stop := plainEnd(t, min(from, len(t))); at(t, end) == ' ' && stop-from >= 4 && t[from] != '/' && t[from] != '*' && !oneWord(t[from:stop]) && !placeholder(t[from:stop]) {
		return sc.found(Password, from, stop)
	}
	slash := i - len("/user")
	if at(t, slash-1) != ' ' {
		return 0
	}
	from = slash - 1
	for from > low+n && t[from-1] > ' ' {
		from--
	}
	if v := t[from : slash-1]; len(v) >= 4 && v[0] != '\\' && v[0] != '/' && !oneWord(v) && !placeholder(v) {
		sc.extra = append(sc.extra, Span{from, slash - 1, Password})
	}
	return 0
}

// httpBasic detects the password in a package manager's configuration command (the dash is at i): composer config http-basic.acme bob x.
// It returns the value's end, 0 if there is none.
func (sc *scan) httpBasic(i int) int {
	t := sc.t
	if at(t, i-5) != ' ' || !strings.Contains(t[max(0, i-maxKeyName):i], "config ") {
		return 0
	}
	host := run(t, i, cKey, 2*maxKeyName)
	user := run(t, host+1, cKey, maxKeyName)
	if at(t, host) != ' ' || user == host+1 || at(t, user) != ' ' {
		return 0
	}
	from := user + 1
	if c := at(t, from); c == '"' || c == '\'' {
		from++
	}
	end := plainEnd(t, from)
	if v := t[from:end]; len(v) < 4 || oneWord(v) || placeholder(v) {
		return 0
	}
	return sc.found(Password, from, end)
}
