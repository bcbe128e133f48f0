package logql

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	lineRanges   = []string{"count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time"}
	unwrapRanges = []string{
		"rate", "absent_over_time", "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time", "last_over_time",
		"stddev_over_time", "stdvar_over_time", "quantile_over_time",
	}
	// groupedRanges take by and without.
	groupedRanges = []string{
		"avg_over_time", "min_over_time", "max_over_time", "first_over_time", "last_over_time", "stddev_over_time", "stdvar_over_time",
		"quantile_over_time",
	}
	aggregations = []string{"sum", "avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "sort", "sort_desc"}
)

// call reads a function or an aggregation.
func (p *parser) call() (Expr, error) {
	t := p.next()
	t.text = strings.ToLower(t.text)
	switch {
	case slices.Contains(lineRanges, t.text), slices.Contains(unwrapRanges, t.text):
		return p.rangeAggregation(t)
	case slices.Contains(aggregations, t.text):
		return p.aggregation(t)
	case t.text == "vector":
		return p.vector()
	case t.text == "label_replace":
		return p.labelReplace(t)
	}
	if p.peek().is("(") || p.peek().word("by") || p.peek().word("without") {
		return nil, p.notSupported(t)
	}
	return nil, p.unexpected(t, "a selector {...}, a function, a number or \"(\"")
}

func (p *parser) vector() (Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	value, err := p.plainNumber()
	if err != nil {
		return nil, err
	}
	return &Vector{value}, p.expect(")")
}

func (p *parser) labelReplace(t token) (Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	inner, err := p.metric()
	if err != nil {
		return nil, err
	}
	r := &LabelReplace{position: position(t.at), Inner: inner}
	for _, to := range []*string{&r.Target, &r.Replacement, &r.Source, &r.Expression} {
		if err := p.expect(","); err != nil {
			return nil, err
		}
		at := p.peek()
		if *to, err = p.str(); err != nil {
			return nil, err
		}
		if to == &r.Expression {
			if _, err := NewMatcher("", "=~", r.Expression); err != nil {
				return nil, p.fail(at, "%s", err)
			}
		}
	}
	return r, p.expect(")")
}

// metric reads an expression that is not a log query.
func (p *parser) metric() (Expr, error) {
	t := p.peek()
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if _, isLog := e.(*LogQuery); isLog {
		return nil, p.fail(t, "expecting a metric query, not lines: aggregate them first, count_over_time(... [5m])")
	}
	return e, nil
}

func (p *parser) aggregation(t token) (Expr, error) {
	a := &Aggregate{position: position(t.at), Op: t.text}
	var err error
	if a.Group, err = p.grouping(nil); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if a.Op == "topk" || a.Op == "bottomk" {
		k := p.next()
		if a.Param, err = strconv.Atoi(k.text); err != nil || k.kind != kindNumber || a.Param < 1 {
			return nil, p.fail(k, "invalid parameter %s of %s: it has to be a whole number above zero", k.describe(), a.Op)
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	if a.Inner, err = p.metric(); err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	at := p.peek()
	if a.Group, err = p.grouping(a.Group); err != nil {
		return nil, err
	}
	if a.Group != nil && (a.Op == "sort" || a.Op == "sort_desc") {
		if len(a.Group.Labels) > 0 {
			return nil, p.fail(at, "%s takes no grouping", a.Op)
		}
		a.Group = nil
	}
	return a, nil
}

// grouping reads by (...) or without (...), if one is next.
func (p *parser) grouping(before *Grouping) (*Grouping, error) {
	t := p.peek()
	if !t.word("by") && !t.word("without") {
		return before, nil
	}
	if before != nil {
		return nil, p.fail(t, "a second grouping")
	}
	p.next()
	names, err := p.names()
	return &Grouping{Without: t.word("without"), Labels: names}, err
}

func (p *parser) rangeAggregation(t token) (Expr, error) {
	leave, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	r := &Range{position: position(t.at), Op: t.text}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if r.Op == "quantile_over_time" {
		at := p.peek()
		if r.Param, err = p.plainNumber(); err != nil {
			return nil, err
		}
		if math.IsNaN(r.Param) {
			return nil, p.fail(at, "invalid quantile")
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	if err := p.window(r); err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	at := p.peek()
	if r.Group, err = p.grouping(nil); err != nil {
		return nil, err
	}
	if r.Group != nil && !slices.Contains(groupedRanges, r.Op) {
		return nil, p.fail(at, "grouping not allowed for %s aggregation", r.Op)
	}
	if r.Unwrap == nil && !slices.Contains(lineRanges, r.Op) {
		return nil, p.fail(t, "invalid aggregation %s without unwrap", r.Op)
	}
	if r.Unwrap != nil && !slices.Contains(unwrapRanges, r.Op) {
		return nil, p.fail(t, "invalid aggregation %s with unwrap", r.Op)
	}
	return r, nil
}

// window reads a log query with its range, which stands behind the selector or behind the stages.
func (p *parser) window(r *Range) error {
	brackets := 0
	for p.accept("(") {
		leave, err := p.enter()
		if err != nil {
			return err
		}
		defer leave()
		brackets++
	}
	matchers, err := p.selector()
	if err != nil {
		return err
	}
	r.Query = &LogQuery{Matchers: matchers}
	for {
		t := p.peek()
		switch {
		case t.is("[") && r.Window == 0:
			err = p.rangeOf(r)
		case t.is("|") && p.peekAfter().word("unwrap"):
			err = p.unwrap(r)
		case t.is(")") && brackets > 0:
			p.next()
			brackets--
		default:
			before := p.at
			var stages []Stage
			if stages, err = p.stages(); err == nil && p.at == before {
				return p.windowEnd(r, brackets)
			}
			err = p.behindUnwrap(r, stages, err)
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) windowEnd(r *Range, brackets int) error {
	if brackets > 0 {
		return p.unexpected(p.peek(), `")"`)
	}
	if r.Window == 0 {
		return p.unexpected(p.peek(), "a range such as [5m]")
	}
	return nil
}

// behindUnwrap adds stages to the query, or label filters to its unwrap.
func (p *parser) behindUnwrap(r *Range, stages []Stage, err error) error {
	if err != nil {
		return err
	}
	if r.Unwrap == nil {
		r.Query.Stages = append(r.Query.Stages, stages...)
		return nil
	}
	for _, s := range stages {
		filter, ok := s.(*LabelFilter)
		if !ok {
			return errorAt(p.text, s.Offset(), "only label filters stand behind unwrap")
		}
		r.Unwrap.Filters = append(r.Unwrap.Filters, filter)
	}
	return nil
}

func (p *parser) unwrap(r *Range) error {
	p.next()
	t := p.next()
	if r.Unwrap != nil {
		return p.fail(t, "a second unwrap")
	}
	u := &Unwrap{position: position(t.at)}
	at := p.peek()
	name, err := p.name()
	if err != nil {
		return err
	}
	u.Label = name
	if p.accept("(") {
		u.Convert = strings.ToLower(name)
		if !slices.Contains([]string{"duration", "duration_seconds", "bytes"}, u.Convert) {
			return p.notSupported(at)
		}
		if u.Label, err = p.name(); err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	}
	r.Unwrap = u
	return nil
}

// rangeForm is Prometheus' form of durations.
var rangeForm = regexp.MustCompile(`^(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?$`)

func (p *parser) rangeOf(r *Range) error {
	open, t := p.next(), p.next()
	d, err := ParseDuration(t.text)
	if err != nil || t.kind != kindQuantity || d <= 0 {
		return p.unexpected(t, "a duration such as 5m")
	}
	if !rangeForm.MatchString(t.text) {
		return p.fail(t, "the range %q has to be whole numbers with y, w, d, h, m, s and ms, the longest first: 1h30m", shorten(t.text))
	}
	r.Window = d
	end := p.peek()
	if err := p.expect("]"); err != nil {
		return err
	}
	if end.at != open.at+len("[")+len(t.text) {
		return p.fail(open, "no spaces between the brackets of a range: [%s]", t.text)
	}
	if !p.acceptWord("offset") {
		return nil
	}
	behind := p.accept("-")
	t = p.next()
	if d, err = ParseDuration(t.text); err != nil || t.kind != kindQuantity {
		return p.unexpected(t, "a duration such as 5m")
	}
	if behind {
		d = -d
	}
	r.Behind = d
	return nil
}

// Arithmetic is what an operator makes of two numbers; a comparison is 1 or 0. Division by zero is not a number, as in Loki.
func Arithmetic(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		if b == 0 {
			return math.NaN()
		}
		return a / b
	case "%":
		if b == 0 {
			return math.NaN()
		}
		return math.Mod(a, b)
	case "^":
		return math.Pow(a, b)
	}
	if Holds(op, a, b) {
		return 1
	}
	return 0
}

// Holds tells whether a comparison is true.
func Holds(op string, a, b float64) bool {
	switch op {
	case "==":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case "<=":
		return a <= b
	}
	return false
}
