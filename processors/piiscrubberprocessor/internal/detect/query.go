package detect

import "strings"

// queryKey reports whether the value under an attribute key is the query of a URL, without its '?'.
func queryKey(key string) bool {
	const query = "query"
	if n := len(key) - len("_string"); n > 0 && foldAt(key, n, "_string") {
		key = key[:n]
	}
	n := len(key) - len(query)
	return n >= 0 && foldAt(key, n, query) && (n == 0 || key[n-1] == '.' || key[n-1] == '_') && key != "db.query"
}

// inQuery reports whether there is a '?' before t[i] in the same word.
func (sc *scan) inQuery(i int) bool { return i < sc.queryEnd }

// parameter detects the value of the query parameter name, which begins at start; 0 if it is not one or has no secret. In the body of a
// form a password is a password; in a URL it is part of the query.
func (sc *scan) parameter(name string, style secretStyle, start, sep int) int {
	t, c := sc.t, at(sc.t, start-1)
	first := start == 0 && queryKey(sc.key)
	if len(name) == 1 && lower(name[0]) == 'p' && c == '&' { // u=bob&p=x
		if user := runBack(t, start-1, cKey, maxKeyName); strings.HasSuffix(t[:user], "u=") {
			return sc.query(sep+1, false)
		}
	}
	if c != '?' && !first && c != '&' && (c != ';' || !strings.HasSuffix(t[:start], "&amp;")) {
		return 0
	}
	q := queryStyle(name)
	if q == notSecret && style == notSecret || c != '?' && !first && style != notSecret && !sc.inQuery(sep) && !queryKey(sc.key) {
		return 0
	}
	if style == plainSecret && (hasNameEnd(name, secretName{name: "password"}) || hasNameEnd(name, secretName{name: "pwd"})) {
		return sc.queryUpTo(sep+1, false, passwordEnd)
	}
	return sc.query(sep+1, q == weakSecret && style == notSecret)
}

// encodedPair is pair where '=' or ':' are percent-encoded (the '%' is at i): "next=%2Fcb%3Ftoken%3Dabc%26x%3D1",
// "%22password%22%3A%22x%22".
func (sc *scan) encodedPair(i int) int {
	t := sc.t
	c := lower(at(t, i+2))
	if c != 'd' && c != 'a' {
		return i + 1
	}
	end := i
	for strings.HasSuffix(t[:end], "%20") {
		end -= 3
	}
	if strings.HasSuffix(t[:end], "%22") {
		end -= 3
	}
	name := t[runBack(t, end, cKey, maxKeyName):end]
	for _, escape := range [...]string{"22", "26", "3F", "3f"} { // of the text before the name
		if strings.HasPrefix(name, escape) && at(t, end-len(name)-1) == '%' {
			name = name[2:]
			break
		}
	}
	kind, style := Password, nameStyle(name)
	if c == 'd' {
		if kind = URLSecret; style == notSecret {
			style = queryStyle(name)
		}
	}
	if style == notSecret || !sc.on.Has(kind) {
		return i + 3
	}
	start := i + 3
	for strings.HasPrefix(t[start:], "%20") || at(t, start) == '+' {
		start++
		if t[start-1] == '%' {
			start += 2
		}
	}
	if strings.HasPrefix(t[start:], "%22") {
		start += 3
	}
	end = start
	for end < len(t) && end-start < maxValue && !queryEnd(t[end]) {
		if n := at(t, end+1); t[end] == '%' && n == '2' {
			if n := lower(at(t, end+2)); n == '2' || n == '6' || n == 'c' || n == '0' { // a quote, '&', ',', a blank
				break
			}
		}
		end++
	}
	if end == start {
		return start
	}
	if special := sc.specific(start, end); special > 0 {
		return special
	}
	v := t[start:end]
	if placeholder(v) || style == weakSecret && !randomLooking(v) || style != authSecret && !fits(style, v) {
		return start
	}
	return sc.found(kind, start, end)
}

// question handles '?': it remembers how far its word extends.
func (sc *scan) question(i int) int {
	if i >= sc.queryEnd {
		end := i
		for end < len(sc.t) && end-i < 1<<13 && sc.t[end] > ' ' && sc.t[end] != '"' {
			end++
		}
		sc.queryEnd = end
	}
	return i + 1
}

// query detects the value of a query parameter; a weak name requires a value that looks random.
func (sc *scan) query(i int, weak bool) int { return sc.queryUpTo(i, weak, queryEnd) }

// passwordEnd is queryEnd for a password, which may contain a '#' that should have been escaped.
func passwordEnd(c byte) bool { return c != '#' && queryEnd(c) }

func (sc *scan) queryUpTo(i int, weak bool, ends func(byte) bool) int {
	end := i
	for end < len(sc.t) && end-i < maxValue && !ends(sc.t[end]) {
		end++
	}
	if end == i {
		return i
	}
	if special := sc.specific(i, end); special > 0 {
		return special
	}
	v := sc.t[i:end]
	if len(v) < 4 && digitRun(v) == len(v) || placeholder(v) || weak && !randomLooking(v) {
		return i
	}
	return sc.found(URLSecret, i, end)
}

func queryEnd(c byte) bool {
	return c <= ' ' || c == '&' || c == '#' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`' || c == '\\' || c == ')' || c == ']' || c == '}' || c == ',' || c == ';'
}
