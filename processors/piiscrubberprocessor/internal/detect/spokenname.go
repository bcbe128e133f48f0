package detect

import "strings"

// quotedName detects a string after the name of a secret and a blank (the quote is at i): password "x", Secret 'x' is not valid, : PSK
// "x".
func (sc *scan) quotedName(i int) int {
	t := sc.t
	if at(t, i-1) == ' ' && at(t, i-2) == ',' && at(t, i-3) == t[i] {
		return max(i+1, sc.listedHeader(i))
	}
	if at(t, i-1) != ' ' || !is(at(t, i-2), cLetter) {
		return i + 1
	}
	start := runBack(t, i-1, cKey, maxKeyName)
	name := t[start : i-1]
	shared := name == "PSK" || name == "EAP" || name == "XAUTH"
	if !shared && !nameTails.has(name) {
		return i + 1
	}
	end := quoteEnd(t, i+1, t[i])
	v := t[i+1 : end]
	if at(t, end) != t[i] || len(v) < 4 || placeholder(v) || strings.IndexByte(v, ' ') >= 0 {
		return i + 1
	}
	switch style := nameStyle(name); {
	case shared && at(t, start-2) == ':' && !oneWord(v):
	case style == plainSecret && len(v) >= 6 && passwordLike(v) && randomLooking(v):
	case style == weakSecret && len(v) >= 10 && digitAndLetter(v) && randomLooking(v) && !suffixed(v) && uuidAt(t, i+1) != end:
	default:
		return i + 1
	}
	if special := sc.specific(i+1, end); special > 0 {
		return special
	}
	return max(i+1, sc.found(Password, i+1, end))
}

// listedHeader detects the value of a header in a list of names and values, as Node's rawHeaders: [ 'Cookie', 'sid=x', 'X-Api-Key', 'x' ]
// (the value's quote is at i). It returns its end, 0 if there is none.
func (sc *scan) listedHeader(i int) int {
	t := sc.t
	start := runBack(t, i-3, cKey, maxKeyName)
	name := t[start : i-3]
	if at(t, start-1) != t[i] || !nameTails.has(name) {
		return 0
	}
	switch style := nameStyle(name); {
	case style == authSecret, style == cookieSecret:
		return sc.value(i-2, name, style, Password, true)
	case style == plainSecret && strings.IndexByte(name, '-') > 0:
		end := quoteEnd(t, i+1, t[i])
		if special := sc.specific(i+1, end); special > 0 {
			return special
		}
		if typedIn(t[i+1:end]) && at(t, end) == t[i] {
			return sc.found(Password, i+1, end)
		}
	}
	return 0
}

// secretWord detects a value after the word "secret" and a verb, or after the number of a router's format (the 'c' is at i): "client
// secret is x", "enable secret 0 x". It returns its end, 0 if there is none.
func (sc *scan) secretWord(i int) int {
	t := sc.t
	if !foldAt(t, i-2, "secret ") || is(at(t, i-3), cWord) {
		return 0
	}
	from := i + len("cret ")
	switch {
	case foldAt(t, from, "is "):
		from += len("is ")
	case is(at(t, from), cDigit) && at(t, from+1) == ' ':
		line := t[max(0, i-2*maxKeyName):i]
		if end := plainEnd(t, from+2); (strings.Contains(line, "enable ") || strings.Contains(line, "username ")) && end-from > 6 && !oneWord(t[from+2:end]) && !placeholder(t[from+2:end]) {
			return sc.found(Password, from+2, end)
		}
		return 0
	default:
		return 0
	}
	if c := at(t, from); c == '"' || c == '\'' || c == '`' {
		from++
	}
	end := plainEnd(t, from)
	v := strings.TrimRight(t[from:end], ".,;:!")
	if len(v) < 10 || !digitAndLetter(v) || !randomLooking(v) || suffixed(v) || placeholder(v) {
		return 0
	}
	return sc.found(Password, from, from+len(v))
}

// namedCookie detects the value of a cookie in a sentence (its name begins at i): cookie "session" = x, cookie 'sid' set to x, "Cookie
// named sid with value x". It returns its end, 0 if there is none.
func (sc *scan) namedCookie(i int) int {
	t := sc.t
	if foldAt(t, i, "named ") {
		i += len("named ")
	}
	quoted := 0
	if c := at(t, i); c == '"' || c == '\'' {
		quoted = 1
	}
	end := run(t, i+quoted, cKey, maxKeyName)
	if end == i+quoted || quoted == 1 && at(t, end) != t[i] {
		return 0
	}
	end += quoted
	for _, verb := range [...]string{" = ", " set to ", " with value ", " has value ", ": "} {
		if !foldAt(t, end, verb) {
			continue
		}
		from := end + len(verb)
		if c := at(t, from); c == '"' || c == '\'' {
			from++
		}
		stop := plainEnd(t, from)
		if v := t[from:stop]; len(v) >= 16 && randomLooking(v) && !suffixed(v) && !placeholder(v) {
			return sc.found(Password, from, stop)
		}
		return 0
	}
	return 0
}

// settingTo detects the value of "[name] to [x]", whose "] to [" begins at i; 0 if there is none.
func (sc *scan) settingTo(i int) int {
	const join = "] to ["
	t := sc.t
	if !strings.HasPrefix(t[i:], join) {
		return 0
	}
	from := i + len(join)
	n := strings.IndexByte(t[from:min(len(t), from+maxTag)], ']')
	if n < 4 || placeholder(t[from:from+n]) || oneWord(t[from:from+n]) || strings.IndexByte(t[from:from+n], ' ') >= 0 {
		return 0
	}
	return sc.found(Password, from, from+n)
}

// maxColumn is the longest value in a separate column, in bytes.
const maxColumn = 128

// aligned detects the value of a column that blanks, a tab or a row of dots separate from its name, which ends at i; 0 if there is none.
// In the registry of Windows its type is between them.
func (sc *scan) aligned(i int) int {
	t, from := sc.t, i
	for from-i < maxTag && (at(t, from) == ' ' || at(t, from) == '\t') {
		from++
	}
	typed := foldAt(t, from, "reg_sz")
	dots := 0
	for ; at(t, from) == '.' && dots < maxTag; dots++ {
		from++
	}
	switch {
	case typed:
		for from += len("reg_sz"); at(t, from) == ' ' || at(t, from) == '\t'; {
			from++
		}
	case dots > 5:
	case dots > 0 || from == i || from == i+1 && t[i] == ' ':
		return 0
	}
	if c := at(t, from); c == '"' || c == '\'' {
		from++
	}
	end := plainEnd(t[:min(len(t), from+maxColumn)], from)
	v := t[from:end]
	if len(v) < 4 || len(v) == maxColumn || placeholder(v) || oneWord(v) || code(t, from, end) || !typed && dots == 0 && !(len(v) >= 6 && passwordLike(v) && randomLooking(v)) {
		return 0
	}
	return sc.found(Password, from, end)
}
