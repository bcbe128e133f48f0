package logql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	kindEnd kind = iota
	kindName
	kindString
	kindNumber
	kindQuantity // a number with a unit: 5m, 20MB
	kindFlag     // --strict
	kindSign     // operators and brackets
)

// token is a piece of a query. text is the value of a string, and the spelling of everything else.
type token struct {
	kind kind
	text string
	at   int // offset of the first byte
}

func (t token) is(sign string) bool { return t.kind == kindSign && t.text == sign }

// word tells whether the token is this word; the case of LogQL's own words does not matter.
func (t token) word(name string) bool { return t.kind == kindName && strings.EqualFold(t.text, name) }

// describe names the token in an error.
func (t token) describe() string {
	switch t.kind {
	case kindEnd:
		return "end of query"
	case kindString:
		return "string " + strconv.Quote(shorten(t.text))
	default:
		return strconv.Quote(shorten(t.text))
	}
}

func shorten(s string) string {
	const longest = 40
	if len(s) <= longest {
		return s
	}
	end := longest
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "..."
}

// signs has longer signs before their beginnings.
var signs = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=",
	"{", "}", "(", ")", "[", "]", ",", "=", "|", ">", "<", "+", "-", "*", "/", "%", "^",
}

// lex cuts text into at most limit tokens and an end.
func lex(text string, limit int) ([]token, error) {
	l := lexer{text: text}
	var tokens []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.kind == kindEnd {
			return tokens, nil
		}
		if len(tokens) > limit {
			return nil, errorAt(text, t.at, "the query has more than %d tokens", limit)
		}
	}
}

type lexer struct {
	text string
	at   int
}

func (l *lexer) next() (token, error) {
	l.skip()
	start := l.at
	if start == len(l.text) {
		return token{kindEnd, "", start}, nil
	}
	rest := l.text[start:]
	c := rest[0]
	switch {
	case isNameStart(c):
		return l.take(kindName, span(rest, isName)), nil
	case c == '"' || c == '`':
		return l.quoted(c)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return l.number(rest), nil
	case strings.HasPrefix(rest, "--") && len(rest) > 2 && isNameStart(rest[2]):
		return l.take(kindFlag, 2+span(rest[2:], func(c byte) bool { return isName(c) || c == '-' })), nil
	}
	for _, sign := range signs {
		if strings.HasPrefix(rest, sign) {
			return l.take(kindSign, len(sign)), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, errorAt(l.text, start, "unexpected character %q", r)
}

// skip passes white space and comments.
func (l *lexer) skip() {
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case ' ', '\t', '\n', '\r':
			l.at++
		case '#':
			if end := strings.IndexByte(l.text[l.at:], '\n'); end >= 0 {
				l.at += end
			} else {
				l.at = len(l.text)
			}
		default:
			return
		}
	}
}

func (l *lexer) take(k kind, n int) token {
	t := token{k, l.text[l.at : l.at+n], l.at}
	l.at += n
	return t
}

func (l *lexer) quoted(quote byte) (token, error) {
	start := l.at
	for i := start + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == quote:
			l.at = i + 1
			raw := l.text[start:l.at]
			if quote == '`' {
				return token{kindString, raw[1 : len(raw)-1], start}, nil
			}
			value, err := strconv.Unquote(raw)
			if err != nil {
				return token{}, errorAt(l.text, start, "string with an unknown escape")
			}
			return token{kindString, value, start}, nil
		case quote == '"' && c == '\\':
			i++
		case quote == '"' && c == '\n':
			return token{}, errorAt(l.text, start, "string without an end on its line")
		}
	}
	return token{}, errorAt(l.text, start, "string without an end")
}

// number takes a plain number, or one with units, which may be several: 1h30m.
func (l *lexer) number(rest string) token {
	n := span(rest, func(c byte) bool { return isDigit(c) || c == '.' })
	if exponent := exponentLength(rest[n:]); exponent > 0 {
		return l.take(kindNumber, n+exponent)
	}
	if unit := span(rest[n:], func(c byte) bool { return isName(c) || c == '.' || c >= utf8.RuneSelf }); unit > 0 {
		return l.take(kindQuantity, n+unit)
	}
	return l.take(kindNumber, n)
}

// exponentLength is 0 when s does not begin with an exponent.
func exponentLength(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	i := 1
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	digits := span(s[i:], isDigit)
	if digits == 0 || i+digits < len(s) && isName(s[i+digits]) {
		return 0
	}
	return i + digits
}

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func isName(c byte) bool { return isNameStart(c) || isDigit(c) }

// Error says what is wrong with a query and where.
type Error struct {
	// Line and Column count from 1; Column counts bytes.
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Column, e.Message)
}

// ErrorAt is an error at an offset of text.
func ErrorAt(text string, at int, format string, args ...any) *Error {
	return errorAt(text, at, format, args...)
}

func errorAt(text string, at int, format string, args ...any) *Error {
	before := text[:min(at, len(text))]
	return &Error{
		Line:    1 + strings.Count(before, "\n"),
		Column:  len(before) - strings.LastIndexByte(before, '\n'),
		Message: fmt.Sprintf(format, args...),
	}
}
