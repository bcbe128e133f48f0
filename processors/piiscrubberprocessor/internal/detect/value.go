package detect

import "strings"

// value detects the value after the separator.
func (sc *scan) value(sep int, name string, style secretStyle, kind Kind, keyQuoted bool) int {
	t := sc.t
	i, spaced := afterSeparator(t, sep)
	i = unwrapped(t, skipColour(t, i), sep)
	if end := Mark(t, i); end > 0 {
		return end
	}
	i = valueStart(t, i)
	start, end := i, 0
	quoted := true
	slashes := backslashes(t, i)
	switch c := at(t, i); {
	case c == '"' || c == '\'' || c == '`':
		start = i + 1
		end = quoteEnd(t, start, c)
	case slashes > 0 && (at(t, i+slashes) == '"' || at(t, i+slashes) == '\''):
		start = i + slashes + 1
		end = escapedQuoteEnd(t, start, slashes, t[start-1])
	case c == '&' || c == '\\':
		if q := encodedQuote(t, i); q > 0 {
			start = i + q
			if end = start + max(0, strings.Index(t[start:min(len(t), start+maxValue)], t[i:start])); end > start {
				break
			}
		}
		start, end, quoted = i, plainEnd(t, i), false
	default:
		quoted = false
		switch style {
		case cookieSecret:
			end = cookieEnd(t, i)
		case authSecret:
			start, end = authValue(t, i)
		default:
			end = plainEnd(t, i)
			if at(t, i) == '$' { // its parameters are joined by commas
				hash, _ := hashAt(t, i)
				end = max(end, hash)
			}
		}
	}
	if quoted && style == authSecret {
		if from, _ := authValue(t[:end], start); from > start {
			start = from
		}
	}
	if end <= start {
		return i
	}
	if style == authSecret && strings.IndexByte(t[start:end], ',') > 0 && strings.IndexByte(t[start:end], '=') > 0 {
		return sc.found(kind, start, end)
	}
	if special := sc.specific(start, end); special > 0 {
		return special
	}
	v := t[start:end]
	if placeholder(v) || len(v) < 3 || strings.HasPrefix(v, "https://") || strings.HasPrefix(v, "http://") {
		return i
	}
	if !quoted && sc.expression(sep, start, end, name, style, spaced, keyQuoted) || !sc.believable(style, start, end, i, !quoted && !keyQuoted && spaced) {
		return i
	}
	if quoted && t[i] == '`' && strings.IndexByte(v, ' ') >= 0 { // a command of a shell
		return i
	}
	if style == plainSecret && v[0] == '/' && (strings.HasSuffix(name, "PWD") || strings.HasSuffix(name, "pwd")) { // a directory
		return i
	}
	stop := sc.found(kind, start, end)
	if quoted && strings.HasPrefix(t[end:], becomes) {
		from := end + len(becomes)
		if next := quoteEnd(t, from, '"'); next-from > 2 && !placeholder(t[from:next]) {
			stop = sc.found(kind, from, next)
		}
	}
	return stop
}

// becomes is between a value and its replacement in Terraform's plans.
const becomes = `" -> "`

// expression reports whether the unquoted value t[start:end] under name is code, the next field, a sentence, or the name once more.
func (sc *scan) expression(sep, start, end int, name string, style secretStyle, spaced, keyQuoted bool) bool {
	t := sc.t
	v, pair := t[start:end], t[sep] == ':'
	switch {
	case pair && (at(t, sep+1) == ':' || v[0] == '{'), code(t, start, end), strings.HasPrefix(name, "self."), strings.HasPrefix(name, "this."):
		return true
	case !spaced:
		return false
	case len(name) >= len(v) && strings.EqualFold(v, name[len(name)-len(v):]), pair && (tagged(v, at(t, end)) || nextField(v)):
		return true
	}
	return style != authSecret && style != cookieSecret && prose(v, at(t, end), keyQuoted)
}

// afterSeparator returns where the text behind the separator at sep begins, and whether blanks (fewer than 48) are between.
func afterSeparator(t string, sep int) (i int, spaced bool) {
	i = sep + 1
	if at(t, i) == '>' || at(t, i) == '=' { // =>, :=
		i++
	}
	for i < len(t) && (t[i] == ' ' || t[i] == '\t') && i-sep < 48 {
		i, spaced = i+1, true
	}
	return i, spaced
}

// valueStart returns where a value begins that may be in a list of one, or after its type as PHP dumps it.
func valueStart(t string, i int) int {
	if at(t, i) == '[' && (at(t, i+1) == '"' || at(t, i+1) == '\'' || bracketed(t, i)) {
		i++
	}
	if at(t, i) != '\n' || t[i-1] != '>' { // ["password"]=>\n  string(12) "x"
		return i
	}
	for k := i + 1; k < len(t) && k-i < 64; k++ {
		if k > i+6 && t[k] == '"' && t[k-1] == ' ' && t[k-2] == ')' {
			return k
		}
		if t[k] != ' ' && !is(t[k], cAlnum) && t[k] != '(' && t[k] != ')' {
			break
		}
	}
	return i
}

// bracketed reports whether the list of one that begins at i contains credentials after their scheme, or a value that looks random: Go's
// maps of headers.
func bracketed(t string, i int) bool {
	end := i + 1
	for end < len(t) && end-i < maxValue && t[end] != ']' && t[end] >= ' ' {
		end++
	}
	if at(t, end) != ']' {
		return false
	}
	scheme, _, two := strings.Cut(t[i+1:end], " ")
	return two && schemed(scheme) || !two && randomLooking(scheme)
}

// believable reports whether the value t[start:end], which begins at from, scheme included, can be a secret of this style. In a sentence
// ("unexpected token: SEMICOLON") an ambiguous word requires more than in a pair.
func (sc *scan) believable(style secretStyle, start, end, from int, sentence bool) bool {
	v := sc.t[start:end]
	switch style {
	case weakSecret:
		if sentence {
			return randomLooking(v) && !suffixed(v)
		}
	case passSecret:
		if sentence && digitRun(v) == 0 {
			return false
		}
	case authSecret:
		return start-from > 1 || !oneWord(v) && digitRun(v) > 0 || len(v) >= 24
	case cookieSecret:
		name, _, pair := strings.Cut(v, "=")
		return pair && !cookieAttributes.exact(name)
	}
	return fits(style, v)
}

// cookieAttributes follow a cookie, or replace it if a policy is described.
var cookieAttributes = wordsOf("samesite", "path", "domain", "expires", "max-age", "httponly", "secure", "partitioned", "priority")

// quoteEnd returns where the string that begins at i ends: before the quote, or at the end of the line.
func quoteEnd(t string, i int, quote byte) int {
	limit := min(len(t), i+maxValue)
	for j := i; j < limit; j++ {
		switch t[j] {
		case '\\':
			j++
		case quote:
			return j
		case '\n':
			return j
		}
	}
	return limit
}

// escapedQuoteEnd is quoteEnd inside a string, or a string in a string: the end is the quote after as many backslashes as at the
// beginning, or fewer.
func escapedQuoteEnd(t string, i, slashes int, quote byte) int {
	limit := min(len(t), i+maxValue)
	for j := i; j < limit; j++ {
		n := backslashes(t, j)
		if at(t, j+n) == quote && n <= slashes {
			return j
		}
		j += n
	}
	return limit
}

// backslashes counts those that begin at i, up to fifteen.
func backslashes(t string, i int) (n int) {
	for n < 15 && at(t, i+n) == '\\' {
		n++
	}
	return n
}

// plainEnd returns where a value without quotes ends: at white space or a quote, and at punctuation if it is followed by the end, white
// space or another key. Brackets opened inside the value are closed inside it.
func plainEnd(t string, i int) int {
	limit := min(len(t), i+maxValue)
	var open [3]int // of ( [ {
	for j := i; j < limit; j++ {
		switch c := t[j]; {
		case c <= ' ' && j > i+1 && t[j-1] == '.': // a full stop ends the sentence
			return j - 1
		case c <= ' ', c == '"', c == '\'', c == '`':
			return j
		case c == '<':
			if n := at(t, j+1); n == '/' || n == '!' || is(n, cLetter) && strings.IndexByte(t[j:min(limit, j+64)], '>') > 0 {
				return j
			}
		case c == '>':
			if n := at(t, j+1); n <= ' ' || n == '<' || strings.IndexByte("\"',;)}]|", n) >= 0 {
				return j
			}
		case c == '\\' && (at(t, j+1) == 'n' || at(t, j+1) == 'r' || at(t, j+1) == 't' || at(t, j+1) == '"' || skipColour(t, j) > j):
			return j
		case c == '(':
			open[0]++
		case c == '[':
			open[1]++
		case c == '{':
			open[2]++
		case c == ')' && open[0] > 0:
			open[0]--
		case c == ']' && open[1] > 0:
			open[1]--
		case c == '}' && open[2] > 0:
			open[2]--
		case c == ',', c == ';', c == '&', c == ')', c == '}', c == ']', c == '|':
			if next := at(t, j+1); next <= ' ' || strings.IndexByte("\"'`,;)}]|", next) >= 0 {
				return j
			}
			if k := run(t, j+1, cKey, 40); k > j+1 && (at(t, k) == '=' || at(t, k) == ':') {
				return j
			}
		}
	}
	if limit > i+1 && t[limit-1] == '.' && limit == len(t) {
		limit--
	}
	return limit
}

// skipColour returns the end of the escape sequences of a terminal that begin at i, i if there are none: ESC [ 3 1 m, ESC itself or
// as the languages write it.
func skipColour(t string, i int) int {
	for {
		j := i
		switch at(t, j) {
		case 0x1b:
			j++
		case '\\':
			for _, form := range [...]string{`\u001b`, `\x1b`, `\033`, `\e`} {
				if foldAt(t, j, form) {
					j += len(form)
					break
				}
			}
		}
		if j == i || at(t, j) != '[' {
			return i
		}
		for j++; is(at(t, j), cDigit) || at(t, j) == ';'; j++ {
		}
		if at(t, j) != 'm' {
			return i
		}
		i = j + 1
	}
}

// colourBefore returns where the escape sequence begins that ends before i, i if none does.
func colourBefore(t string, i int) int {
	if at(t, i-1) != 'm' {
		return i
	}
	for j := i - 2; j >= 0 && i-j < 24; j-- {
		switch {
		case is(t[j], cDigit) || t[j] == ';' || t[j] == '[':
		case t[j] == 0x1b:
			if skipColour(t, j) == i {
				return j
			}
			return i
		case t[j] == '\\':
			if skipColour(t, j) == i {
				return j
			}
			return i
		case t[j] == 'x' || t[j] == 'u' || t[j] == 'b' || t[j] == 'B' || t[j] == 'e':
		default:
			return i
		}
	}
	return i
}

// encodedQuote returns the length of the quote at i that HTML or JSON wrote as an escape, 0 if there is none.
func encodedQuote(t string, i int) int {
	for _, form := range quoteForms {
		if foldAt(t, i, form) {
			return len(form)
		}
	}
	return 0
}

var quoteForms = [...]string{"&quot;", "&#34;", "&#x22;", `\u0022`, `\x22`, "&#39;", `\u0027`}

// cookieEnd takes name=value pairs joined by "; " and the attributes of Set-Cookie.
func cookieEnd(t string, i int) int {
	end := i
	for j := i; ; {
		k := j
		for k < len(t) && k-i < maxValue && t[k] > ' ' && t[k] != ';' && t[k] != '"' && t[k] != '\'' && t[k] != '\\' {
			k++
		}
		if k == j {
			return end
		}
		end = k
		if at(t, k) != ';' || at(t, k+1) != ' ' || k-i >= maxValue {
			return end
		}
		j = k + 2
	}
}

// authValue finds the credentials after a scheme, which stays, or a single token.
func authValue(t string, i int) (start, end int) {
	end = plainEnd(t, i)
	if at(t, end) == ' ' {
		for _, scheme := range authSchemes {
			if end-i != len(scheme) || !foldAt(t, i, scheme) {
				continue
			}
			if parameters := run(t, end+1, cKey, maxKeyName); at(t, parameters) == '=' && at(t, parameters+1) > ' ' && at(t, parameters+1) != '=' {
				return end + 1, parametersEnd(t, end+1)
			}
			return end + 1, plainEnd(t, end+1)
		}
		if stop := plainEnd(t, end+1); end-i < 16 && run(t, i, cLetter, 16) == end && (uuidAt(t, end+1) == stop || stop-end > 16 && randomLooking(t[end+1:stop])) { // a scheme of a vendor's own
			return end + 1, stop
		}
	}
	return i, end
}

// parametersEnd returns where the parameters of a scheme end that begin at i: username="bob", response="6629fae4"; at the end of the line,
// or at what isn't a parameter.
func parametersEnd(t string, i int) int {
	end := i
	for k := i; k < len(t) && k-i < maxValue; {
		name := run(t, k, cKey, maxKeyName)
		if name == k || at(t, name) != '=' {
			return end
		}
		k = name + 1
		if slashes := backslashes(t, k); at(t, k+slashes) == '"' {
			k = escapedQuoteEnd(t, k+slashes+1, slashes, '"') + slashes + 1
		} else {
			for k < len(t) && t[k] > ' ' && t[k] != ',' && t[k] != '"' && t[k] != '\'' && t[k] != '\\' {
				k++
			}
		}
		end = min(k, len(t))
		if at(t, end) != ',' {
			return end
		}
		for k = end + 1; at(t, k) == ' '; k++ {
		}
	}
	return end
}

var authSchemes = [...]string{"basic", "bearer", "digest", "token", "negotiate", "apikey", "ntlm", "hawk", "key", "aws", "aws4-hmac-sha256", "oauth", "signature", "sharedkey"}
