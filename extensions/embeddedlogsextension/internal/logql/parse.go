package logql

import (
	"slices"
	"strconv"
	"strings"
)

// Limits bound what a query may be before anything is evaluated. Parsing takes about 200 bytes a token.
type Limits struct {
	Length int // bytes
	Depth  int // brackets in each other
	Tokens int
}

// DefaultLimits are Loki's for the length.
var DefaultLimits = Limits{Length: 131072, Depth: 64, Tokens: 5000}

// Parse reads a query. Its errors are of type *Error.
func Parse(text string, limits Limits) (Expr, error) {
	if len(text) > limits.Length {
		return nil, errorAt("", 0, "the query has %d bytes, more than %d", len(text), limits.Length)
	}
	tokens, err := lex(text, limits.Tokens)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens, deepest: limits.Depth}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != kindEnd {
		return nil, p.unexpected(t, "end of query")
	}
	return e, nil
}

// ParseSelector reads matchers alone: {a="b"}.
func ParseSelector(text string, limits Limits) ([]Matcher, error) {
	e, err := Parse(text, limits)
	if err != nil {
		return nil, err
	}
	q, ok := e.(*LogQuery)
	if !ok || len(q.Stages) > 0 {
		return nil, errorAt(text, 0, "only label matchers are supported here")
	}
	return q.Matchers, nil
}

type parser struct {
	text           string
	tokens         []token
	at             int
	depth, deepest int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peekAfter() token { return p.tokens[min(p.at+1, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != kindEnd {
		p.at++
	}
	return t
}

// accept takes the sign if it is next.
func (p *parser) accept(sign string) bool {
	if p.peek().is(sign) {
		p.at++
		return true
	}
	return false
}

func (p *parser) acceptWord(word string) bool {
	if p.peek().word(word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(sign string) error {
	if !p.accept(sign) {
		return p.unexpected(p.peek(), strconv.Quote(sign))
	}
	return nil
}

func (p *parser) name() (string, error) {
	t := p.peek()
	if t.kind != kindName {
		return "", p.unexpected(t, "a name")
	}
	return p.next().text, nil
}

func (p *parser) str() (string, error) {
	t := p.peek()
	if t.kind != kindString {
		return "", p.unexpected(t, "a string")
	}
	return p.next().text, nil
}

func (p *parser) fail(t token, format string, args ...any) error {
	return errorAt(p.text, t.at, format, args...)
}

func (p *parser) unexpected(t token, wanted string) error {
	return p.fail(t, "unexpected %s, expecting %s", t.describe(), wanted)
}

// enter counts one more bracket; the function that it returns leaves it.
func (p *parser) enter() (func(), error) {
	if p.depth++; p.depth > p.deepest {
		return nil, p.fail(p.peek(), "more than %d brackets in each other", p.deepest)
	}
	return func() { p.depth-- }, nil
}

// precedence of binary operators; ^ binds to the right.
var precedence = map[string]int{
	"or": 1, "and": 2, "unless": 2,
	"==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

func (p *parser) operator() (string, int) {
	t := p.peek()
	if t.kind != kindSign && t.kind != kindName {
		return "", 0
	}
	op := strings.ToLower(t.text)
	return op, precedence[op]
}

// expr reads operators that bind more than lowest.
func (p *parser) expr(lowest int) (Expr, error) {
	leave, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		op, binds := p.operator()
		if binds <= lowest {
			return left, nil
		}
		at := p.next()
		b := &Binary{position: position(at.at), Op: op, Left: left}
		if err := p.matching(b); err != nil {
			return nil, err
		}
		if op == "^" {
			binds--
		}
		if b.Right, err = p.expr(binds); err != nil {
			return nil, err
		}
		if left, err = p.combined(b, at); err != nil {
			return nil, err
		}
	}
}

// combined checks the sides of an operator.
func (p *parser) combined(b *Binary, at token) (Expr, error) {
	for _, side := range []Expr{b.Left, b.Right} {
		if _, isLog := side.(*LogQuery); isLog {
			return nil, p.fail(at, "%q takes metric queries, not lines: aggregate them first, count_over_time(... [5m])", b.Op)
		}
	}
	_, leftNumber := b.Left.(*Number)
	_, rightNumber := b.Right.(*Number)
	set := b.Op == "and" || b.Op == "or" || b.Op == "unless"
	if set && (leftNumber || rightNumber) {
		return nil, p.fail(at, "%q takes no numbers", b.Op)
	}
	if leftNumber || rightNumber { // on and ignoring say nothing about a number
		b.Matched, b.On, b.Labels, b.Many, b.Include = false, false, nil, "", nil
	}
	if leftNumber && rightNumber {
		return &Number{Arithmetic(b.Op, b.Left.(*Number).Value, b.Right.(*Number).Value)}, nil
	}
	return b, nil
}

// matching reads bool, on, ignoring, group_left and group_right. What says nothing about an operator is read and forgotten, as in Loki: bool but
// behind a comparison, groups behind and, or and unless.
func (p *parser) matching(b *Binary) error {
	comparison, set := precedence[b.Op] == 3, precedence[b.Op] <= 2
	b.Bool = p.acceptWord("bool") && comparison
	for _, word := range []string{"on", "ignoring"} {
		if !b.Matched && p.acceptWord(word) {
			b.Matched, b.On = true, word == "on"
			var err error
			if b.Labels, err = p.names(); err != nil {
				return err
			}
		}
	}
	t := p.peek()
	if !t.word("group_left") && !t.word("group_right") {
		return nil
	}
	p.next()
	if !b.Matched {
		return p.fail(t, "%s stands behind on or ignoring", t.text)
	}
	b.Many = strings.ToLower(t.text)[len("group_"):]
	var err error
	if p.peek().is("(") {
		b.Include, err = p.names()
	}
	if set {
		b.Many, b.Include = "", nil
	}
	return err
}

// names reads (a, b).
func (p *parser) names() ([]string, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	names := []string{}
	for !p.accept(")") {
		if len(names) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func (p *parser) operand() (Expr, error) {
	t := p.peek()
	switch {
	case t.is("{"):
		return p.logQuery()
	case t.is("("):
		return p.bracketed()
	case t.is("-"), t.is("+"):
		p.next()
		value, err := p.plainNumber()
		if t.is("-") {
			value = -value
		}
		return &Number{value}, err
	case t.kind == kindNumber:
		value, err := p.plainNumber()
		return &Number{value}, err
	case t.kind == kindName:
		return p.call()
	default:
		return nil, p.unexpected(t, "a selector {...}, a function, a number or \"(\"")
	}
}

// bracketed reads (a query).
func (p *parser) bracketed() (Expr, error) {
	p.next()
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	return e, p.expect(")")
}

// plainNumber reads one without a sign.
func (p *parser) plainNumber() (float64, error) {
	t := p.peek()
	if t.kind != kindNumber {
		return 0, p.unexpected(t, "a number")
	}
	p.next()
	value, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		return 0, p.fail(t, "%q is not a number", shorten(t.text))
	}
	return value, nil
}

func (p *parser) logQuery() (*LogQuery, error) {
	matchers, err := p.selector()
	if err != nil {
		return nil, err
	}
	stages, err := p.stages()
	return &LogQuery{Matchers: matchers, Stages: stages}, err
}

// selector reads {a="b", c=~"d"}. One of the matchers has to need a value, or every stream would be read.
func (p *parser) selector() ([]Matcher, error) {
	open := p.peek()
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	var matchers []Matcher
	needed := false
	for !p.accept("}") {
		if len(matchers) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		m, err := p.matcher()
		if err != nil {
			return nil, err
		}
		needed = needed || !m.Matches("")
		matchers = append(matchers, m)
	}
	if !needed {
		return nil, p.fail(open, "queries require at least one matcher that does not have an empty-compatible value; for instance, app=~\".*\" does not meet this requirement, but app=~\".+\" does")
	}
	return matchers, nil
}

func (p *parser) matcher() (Matcher, error) {
	name, err := p.name()
	if err != nil {
		return Matcher{}, err
	}
	op := p.next()
	if op.kind != kindSign || !slices.Contains([]string{"=", "!=", "=~", "!~"}, op.text) {
		return Matcher{}, p.unexpected(op, `"=", "!=", "=~" or "!~"`)
	}
	t := p.peek()
	value, err := p.str()
	if err != nil {
		return Matcher{}, err
	}
	m, err := NewMatcher(name, op.text, value)
	if err != nil {
		return m, p.fail(t, "%s", err)
	}
	return m, nil
}
