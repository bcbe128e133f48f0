package querylimit

import (
	"fmt"
	"strconv"
	"strings"
)

// Reason names the limit that a query exceeded; it is the value of the counter's attribute.
type Reason string

// The reasons for which a query is refused.
const (
	TooLong  Reason = "too_long"
	TooDeep  Reason = "too_deep"
	TooMany  Reason = "too_many_tokens"
	BodySize Reason = "body_size"
	Busy     Reason = "busy"
	Steps    Reason = "too_many_steps"
)

// Reasons lists every Reason.
var Reasons = []Reason{TooLong, TooDeep, TooMany, BodySize, Busy, Steps}

// Error says which limit a query exceeded, and which configuration key sets it. It contains nothing of the query.
type Error struct {
	Reason Reason
	Limit  int
}

func (e *Error) Error() string {
	switch e.Reason {
	case TooLong:
		return fmt.Sprintf("the query is longer than %d bytes with repetitions in regular expressions expanded (query::max_length)", e.Limit)
	case TooDeep:
		return fmt.Sprintf("the query is nested more than %d deep (query::max_depth)", e.Limit)
	case TooMany:
		return fmt.Sprintf("the query has more than %d tokens (query::max_tokens)", e.Limit)
	case BodySize:
		return fmt.Sprintf("the form is longer than %d bytes, four times query::max_length", e.Limit)
	case Steps:
		return fmt.Sprintf("the query and its subqueries take more than %d steps (query::max_steps): use a shorter range or longer steps", e.Limit)
	default:
		return fmt.Sprintf("%d queries are waiting already (query::max_waiting)", e.Limit)
	}
}

// Text bounds the text of a query. Prometheus' parser recurses once per level of nesting and takes time in the square of the number of tokens, so
// these limits bound its stack, time and memory.
type Text struct {
	// Length is in bytes. A repetition in a regular expression counts expanded: a{1000} is 1000 bytes long.
	Length int
	// Depth is how deeply brackets and signs may be nested.
	Depth int
	// Tokens is the largest number of names, numbers, strings, operators and brackets.
	Tokens int
}

// Check returns an *Error if query exceeds a limit, else nil. It takes time linear in len(query), needs no memory unless a string contains a
// repetition or a class of characters, and does not decide whether query is valid PromQL.
func (t Text) Check(query string) error {
	if len(query) > t.Length {
		return &Error{TooLong, t.Length}
	}
	s := scanner{text: query}
	length := len(query)
	for kind := s.next(); kind != end; kind = s.next() {
		if s.tokens > t.Tokens {
			return &Error{TooMany, t.Tokens}
		}
		if s.depth+s.signs > t.Depth {
			return &Error{TooDeep, t.Depth}
		}
		if kind == quoted {
			if length += writtenOut(unquote(s.token), t.Length); length > t.Length {
				return &Error{TooLong, t.Length}
			}
		}
	}
	return nil
}

// CheckAll checks several selectors of one request: together they may be as long, and have as many tokens, as one query.
func (t Text) CheckAll(queries []string) error {
	rest := t
	for _, q := range queries {
		if err := rest.Check(q); err != nil {
			return restore(err, t)
		}
		rest.Length -= len(q)
		rest.Tokens--
	}
	return nil
}

// restore makes an error name the configured limit instead of the remaining one.
func restore(err error, t Text) error {
	if e, ok := err.(*Error); ok {
		switch e.Reason {
		case TooLong:
			e.Limit = t.Length
		case TooMany:
			e.Limit = t.Tokens
		}
	}
	return err
}

// kind is a class of tokens; only strings need another check.
type kind int

const (
	end kind = iota
	quoted
	other
)

// scanner cuts PromQL into tokens as Prometheus' lexer does, but it continues where the lexer would stop with an error.
type scanner struct {
	text   string
	pos    int
	token  string // the last one
	tokens int
	depth  int // open brackets
	signs  int // consecutive signs: each is a level of nesting
}

func (s *scanner) next() kind {
	for s.pos < len(s.text) {
		start := s.pos
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
			continue
		case '#': // a comment, to the end of its line
			if n := strings.IndexAny(s.text[s.pos:], "\r\n"); n >= 0 {
				s.pos += n
			} else {
				s.pos = len(s.text)
			}
			continue
		case '(', '[', '{':
			s.depth++
			s.pos++
		case ')', ']', '}':
			s.depth = max(0, s.depth-1)
			s.pos++
		case '+', '-':
			s.signs++
			s.tokens++
			s.pos++
			return other
		case '"', '\'', '`':
			s.pos = closing(s.text, s.pos)
			s.token = s.text[start:s.pos]
			s.tokens++
			s.signs = 0
			return quoted
		default:
			s.pos++
			if isWord(c) {
				s.word(c)
			}
		}
		s.tokens++
		s.signs = 0
		return other
	}
	return end
}

// word moves to the end of the name, number or duration that begins with c. Names may contain colons, numbers not: [5m:1m] has two words. A number
// with a dot counts as two.
func (s *scanner) word(c byte) {
	name := c == '_' || c >= 0x80 || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	for s.pos < len(s.text) && (isWord(s.text[s.pos]) || name && s.text[s.pos] == ':') {
		s.pos++
	}
}

// closing returns the position after the string that begins at start.
func closing(text string, start int) int {
	mark := text[start]
	for i := start + 1; i < len(text); i++ {
		switch {
		case text[i] == mark:
			return i + 1
		case text[i] == '\\' && mark != '`':
			i++
		}
	}
	return len(text)
}

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// unquote returns the value of a string. An invalid string is returned unchanged: the parser refuses it.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '\'' { // Go has no strings in single quotes
		s = `"` + strings.ReplaceAll(strings.ReplaceAll(s[1:len(s)-1], `\'`, `'`), `"`, `\"`) + `"`
	}
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return s
}
