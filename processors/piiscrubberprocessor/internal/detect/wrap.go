package detect

import "strings"

// unwrapped skips what languages write between the separator t[sep] and the value itself, from i on: a prefix of a string (b'x'), a type
// and a length ((string) (len=8) "x", string(8) "x"), a wrapper (Some("x"), Secret("x"), <<"x">>), and in YAML a tag, an anchor, or the
// sign of a block, whose first line is the value.
func unwrapped(t string, i, sep int) int {
	switch c := at(t, i); {
	case c == '<':
		if strings.HasPrefix(t[i:], `<<"`) {
			return i + 2
		}
		if body := heredoc(t, i); body > 0 {
			return body
		}
		start := i + 1
		if at(t, start) == '<' {
			start++
		}
		if end := run(t, start, cBase64, maxKeyName); end-start > 11 && at(t, end) == '>' && randomLooking(t[start:end]) { // token: <x>, <<x>>
			return start
		}
	case (c == '"' || c == '\'') && at(t, i+1) == c && at(t, i+2) == c: // """x"""
		return i + 2
	case c == '\'' && at(t, i+1) == c && is(at(t, i+2), cAlnum): // ''x'' inside of a string of SQL
		return i + 1
	case c == '(':
		return typed(t, i)
	case (c == '|' || c == '>') && t[sep] == ':':
		return block(t, i)
	case c == '!' && t[sep] == ':':
		if strings.HasPrefix(t[i:], "!!str ") {
			return i + len("!!str ")
		}
	case c == '&' && t[sep] == ':':
		if end := run(t, i+1, cKey, maxKeyName); end > i+1 && at(t, end) == ' ' {
			return end + 1
		}
	case is(c, cLetter):
		return wrapper(t, i)
	}
	return i
}

// heredoc returns the beginning of the first line of the text whose sign is at i (<<~EOS), 0 if there is none.
func heredoc(t string, i int) int {
	if !strings.HasPrefix(t[i:], "<<") {
		return 0
	}
	k := i + 2
	for c := at(t, k); c == '-' || c == '~' || c == '"' || c == '\''; c = at(t, k) {
		k++
	}
	end := run(t, k, cWord, 24)
	if c := at(t, end); c == '"' || c == '\'' {
		end++
	}
	if end == k || !is(t[k], cUpper) || at(t, end) != '\n' {
		return 0
	}
	for end++; (at(t, end) == ' ' || at(t, end) == '\t') && end-k < 64; end++ {
	}
	return end
}

// typed skips groups in parentheses before a quote.
func typed(t string, i int) int {
	k := i
	for at(t, k) == '(' {
		end := k + 1
		for end < len(t) && end-k < 40 && (is(t[end], cKey) || t[end] == '=' || t[end] == ' ' || t[end] == '*' || t[end] == '[' || t[end] == ']') {
			end++
		}
		if at(t, end) != ')' {
			return i
		}
		for k = end + 1; at(t, k) == ' '; k++ {
		}
	}
	if c := at(t, k); c == '"' || c == '\'' {
		return k
	}
	return i
}

// block returns the beginning of the first line of a block scalar whose sign is at i, i if there is none.
func block(t string, i int) int {
	k := i + 1
	for c := at(t, k); c == '-' || c == '+' || is(c, cDigit); c = at(t, k) {
		k++
	}
	if at(t, k) == '\r' {
		k++
	}
	if at(t, k) != '\n' {
		return i
	}
	for k++; at(t, k) == ' ' && k-i < 64; k++ {
	}
	if at(t, k) <= ' ' {
		return i
	}
	return k
}

var wrappers = wordsOf("some", "just", "secret", "secretstr", "secretstring", "optional", "ok", "string", "opaque", "sensitive", "password", "token")

// wrapper skips a word that wraps a value: b"x", Some(x), Secret("x"), string(8) "x", Just "x".
func wrapper(t string, i int) int {
	end := run(t, i, cLetter, 16)
	for _, make := range [...]string{"::from(", "::new("} { // String::from("x")
		if strings.HasPrefix(t[end:], make) && at(t, end+len(make)) == '"' {
			return end + len(make)
		}
	}
	switch c := at(t, end); {
	case (c == '"' || c == '\'') && end-i <= 2:
		return end
	case c == ' ' && at(t, end+1) == '"' && wrappers.exact(t[i:end]):
		return end + 1
	case c == '(' && is(at(t, end+1), cDigit):
		k := run(t, end+1, cDigit, 6)
		if at(t, k) == ')' && at(t, k+1) == ' ' && at(t, k+2) == '"' && foldAt(t, i, "string") {
			return k + 2
		}
	case (c == '(' || c == '[') && wrappers.exact(t[i:end]):
		if q := at(t, end+1); q == '"' || q == '\'' {
			return end + 1
		}
		if is(t[i], cUpper) && foldAt(t, i, "some") { // Some(x): no call has one word for its argument and this name
			return end + 1
		}
	}
	return i
}
