package detect

import (
	"strings"
	"unicode"
)

// sentence detects "the password is x", "password x", "passwd (x)", "password for bob: x", "password changed from x to y" (the 'w' is at
// i). Without a separator only what can't be a word is detected: letters and digits mixed.
func (sc *scan) sentence(i int) int {
	t := sc.t
	if t[i] == 0xA0 {
		return sc.chinese(i)
	}
	end := passwordWord(t, i)
	if end == 0 {
		return 0
	}
	if stop := sc.settingTo(end); stop > 0 {
		return stop
	}
	if stop := sc.aligned(end); stop > 0 {
		return stop
	}
	if c := at(t, end); (c == '\'' || c == '"' || c == ']' || c == '`') && at(t, end+1) == ' ' { // 'db.password' set to 'x'
		end++
	}
	if at(t, end) != ' ' {
		return 0
	}
	end++
	switch {
	case at(t, end) == '-' && foldAt(t, i-6, "htpasswd"):
		return sc.passwordFile(end)
	case foldAt(t, i-5, " password") && netrc(t[:i-5]):
		if stop := plainEnd(t, end); stop-end > 3 && !placeholder(t[end:stop]) {
			return sc.found(Password, end, stop)
		}
		return 0
	case strings.HasPrefix(t[end:], "<<< "):
		return sc.hereString(end + len("<<< "))
	}
	if foldAt(t, i-11, "change_password ") { // of a user
		end = run(t, end, cKey, maxKeyName) + 1
	}
	end, owned := verbs(t, end)
	if end == 0 {
		return 0
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
	if foldAt(t, end, "to proceed to installation:") { // Jenkins' first password, below an empty line
		start := end + len("to proceed to installation:")
		for start < len(t) && t[start] <= ' ' && start-end < 64 {
			start++
		}
		if stop := run(t, start, cHex, 33); stop-start == 32 {
			return sc.found(Password, start, stop)
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

// netrc reports whether t ends with the machine and the login of a line of netrc.
func netrc(t string) bool {
	login := runBack(t, len(t), cKey, maxKeyName) - len(" login ")
	if login < 0 || !foldAt(t, login, " login ") {
		return false
	}
	machine := runBack(t, login, cKey, maxKeyName)
	return strings.HasSuffix(t[:machine], "machine ") || strings.HasPrefix(t[machine:], "default ")
}

// passwordWord returns the end of the word for a password whose 'w' (or, of "contraseña", "пароль" and "密码", another rare byte) is at i; 0 if there is none.
func passwordWord(t string, i int) int {
	switch {
	case foldAt(t, i-4, "password"), foldAt(t, i-4, "passwort"), foldAt(t, i-4, "kennwort"):
		return i + 4
	case foldAt(t, i-4, "passwd"):
		return i + 2
	case foldAt(t, i-1, "pwd") && !is(at(t, i-2), cLetter):
		return i + 2
	case foldAt(t, i-5, "wachtwoord"):
		return i + 5
	case foldAt(t, i-5, "bindpw"), foldAt(t, i-5, "rootpw"):
		return i + 1
	case t[i] == 0x8C && i >= 11 && t[i-9:i+1] == "ароль" && (t[i-11:i-9] == "п" || t[i-11:i-9] == "П"):
		return i + 1
	case t[i] == 0xB1 && foldAt(t, i-len("contrase\xC3"), "contraseña"):
		return i + 2
	}
	return 0
}

// chinese detects "密码是x" (the second byte of 码 is at i).
func (sc *scan) chinese(i int) int {
	const word = "密码"
	from := i + 2 - len(word)
	if from < 0 || !strings.HasPrefix(sc.t[from:], word) {
		return 0
	}
	for _, verb := range [...]string{"是", "为", "已重置为", "改为"} {
		if !strings.HasPrefix(sc.t[i+2:], verb) {
			continue
		}
		start := i + 2 + len(verb)
		if at(sc.t, start) == ' ' {
			start++
		}
		return sc.spoken(start, false)
	}
	return 0
}

// passwordFile detects the password of "htpasswd -bc file user x" (the flags begin at i).
func (sc *scan) passwordFile(i int) int {
	t := sc.t
	end := run(t, i, cKey, 8)
	flags := t[i:end]
	skip := 2 // the file and the user
	if strings.IndexByte(flags, 'n') > 0 {
		skip = 1
	}
	if strings.IndexByte(flags, 'b') < 0 {
		return 0
	}
	for ; skip > 0 && at(t, end) == ' '; skip-- {
		for end++; end < len(t) && end-i < maxTag && t[end] > ' '; end++ {
		}
	}
	if skip > 0 || at(t, end) != ' ' {
		return 0
	}
	start := end + 1
	if end = plainEnd(t, start); end-start < 3 || placeholder(t[start:end]) {
		return 0
	}
	return sc.found(Password, start, end)
}

// hereString detects the password of "chpasswd <<< user:x".
func (sc *scan) hereString(i int) int {
	t := sc.t
	if c := at(t, i); c == '"' || c == '\'' {
		i++
	}
	end := plainEnd(t, i)
	if n := strings.IndexByte(t[i:end], ':'); n > 0 {
		i += n + 1
	}
	if end-i < 3 || placeholder(t[i:end]) {
		return 0
	}
	return sc.found(Password, i, end)
}

// spokenVerbs are between the word for a password and the password.
var spokenVerbs = [...]string{"has been ", "was ", "is: ", "is ", "changed ", "reset ", "set ", "updated ", "rotated ", "now ", "generated ", "generated: ", "created: ", "lautet ", "lautet: ", "ist ", "est ", "es ", "è ", "é ", "är ", "to jest ", "- ", "-> ", "with "}

// ofWhom returns the length of the word at i after which an owner is named.
func ofWhom(t string, i int) int {
	for _, word := range [...]string{"for ", "of ", "für ", "von ", "voor ", "för ", "til ", "para ", "de ", "del ", "для ", "от "} {
		if foldAt(t, i, word) {
			return len(word)
		}
	}
	return 0
}

// verbs skips the words after a password's name from i on, and its owner; 0 if an owner is announced but not named.
func verbs(t string, i int) (end int, owned bool) {
	end = i
	for range 6 {
		if of := ofWhom(t, end); !owned && of > 0 {
			if end = owner(t, end+of); end == 0 {
				return 0, false
			}
			owned = true
			continue
		}
		next := end
		for _, word := range spokenVerbs {
			if foldAt(t, end, word) {
				next = end + len(word)
				break
			}
		}
		if next == end {
			return end, owned
		}
		end = next
	}
	return end, owned
}

// owner skips "user root" or "bob", and ':' or '=' after it; 0 if no owner is named.
func owner(t string, i int) int {
	for _, word := range [...]string{"the ", "user ", "account ", "login ", "database ", "db ", "role ", "usuario ", "пользователя "} {
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

// spoken detects the password at i of a sentence; with owned the sentence names its owner. It returns its end, 0 if there is none.
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
	if len(v) >= 6 && passwordLike(v) || owned && len(v) >= 6 && !oneWord(v) && (signed(v) || randomLooking(v) && strings.ContainsFunc(v, noLetter) && at(t, end) <= ' ' && t[start-1] == ' ' && at(t, start-2) == ':') {
		return sc.found(Password, start, end)
	}
	return 0
}

// noLetter reports whether r is no letter of any script.
func noLetter(r rune) bool { return !unicode.IsLetter(r) }

// signed reports whether v contains letters and a sign that words and numbers don't.
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
