package detect

import "strings"

// value takes the value behind the separator.
func (sc *scan) value(sep int, name string, style secretStyle, kind Kind, keyQuoted bool) int {
	t := sc.t
	i := sep + 1
	if at(t, i) == '>' || at(t, i) == '=' { // =>, :=
		i++
	}
	spaced := false
	for i < len(t) && (t[i] == ' ' || t[i] == '\t') && i-sep < 16 {
		i, spaced = i+1, true
	}
	if end := Mark(t, i); end > 0 {
		return end
	}
	if at(t, i) == '[' && (at(t, i+1) == '"' || at(t, i+1) == '\'') { // a list of one
		i++
	}
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
	default:
		quoted = false
		switch style {
		case cookieSecret:
			end = cookieEnd(t, i)
		case authSecret:
			start, end = authValue(t, i)
		default:
			end = plainEnd(t, i)
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
	if special := sc.specific(start, end); special > 0 {
		return special
	}
	v := t[start:end]
	if placeholder(v) || !quoted && t[sep] == ':' && (at(t, sep+1) == ':' || v[0] == '{') {
		return i
	}
	if !quoted && (code(v, at(t, end)) || strings.HasPrefix(name, "self.") || strings.HasPrefix(name, "this.") || spaced && len(name) >= len(v) && strings.EqualFold(v, name[len(name)-len(v):])) {
		return i
	}
	if !quoted && spaced && style != authSecret && style != cookieSecret && prose(v, at(t, end), keyQuoted) {
		return i
	}
	if !fits(style, v) || len(v) < 3 || style == cookieSecret && strings.IndexByte(v, '=') < 0 || strings.HasPrefix(v, "https://") || strings.HasPrefix(v, "http://") {
		return i
	}
	if style == plainSecret && len(v) > 0 && v[0] == '/' && (strings.HasSuffix(name, "PWD") || strings.HasSuffix(name, "pwd")) { // a directory
		return i
	}
	return sc.found(kind, start, end)
}

// quoteEnd returns where the string that begins at i ends: before the quote, or where the line does.
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

// escapedQuoteEnd is quoteEnd inside of a string, or of a string in a string: the end is the quote behind as many backslashes as the
// beginning has, or fewer.
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

// plainEnd returns where a value without quotes ends: at white space or a quote, and at punctuation if what follows it is the
// end, white space or another key.
func plainEnd(t string, i int) int {
	limit := min(len(t), i+maxValue)
	for j := i; j < limit; j++ {
		switch c := t[j]; {
		case c <= ' ' && j > i+1 && t[j-1] == '.': // a full stop ends the sentence
			return j - 1
		case c <= ' ', c == '"', c == '\'', c == '`', c == '<', c == '>':
			return j
		case c == '\\' && (at(t, j+1) == 'n' || at(t, j+1) == 'r' || at(t, j+1) == 't' || at(t, j+1) == '"'):
			return j
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

// authValue finds the credentials behind a scheme, which stays, or the one token that stands there.
func authValue(t string, i int) (start, end int) {
	end = plainEnd(t, i)
	if at(t, end) == ' ' {
		for _, scheme := range authSchemes {
			if end-i == len(scheme) && foldAt(t, i, scheme) {
				return end + 1, plainEnd(t, end+1)
			}
		}
	}
	return i, end
}

var authSchemes = [...]string{"basic", "bearer", "digest", "token", "negotiate", "apikey", "ntlm", "hawk", "key", "aws", "aws4-hmac-sha256"}
