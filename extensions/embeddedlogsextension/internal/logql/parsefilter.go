package logql

import (
	"slices"
	"strconv"
)

// predicate reads filters whose and and or bind more than lowest. A comma or a space means and, and takes everything behind it, as in
// Loki's grammar: a, b or c is a and (b or c).
func (p *parser) predicate(lowest int) (Predicate, error) {
	left, err := p.comparison()
	for err == nil {
		t := p.peek()
		isOr := t.word("or")
		binds := 0
		switch {
		case isOr || t.word("and"):
			if _, binds = p.operator(); binds <= lowest {
				return left, nil
			}
			p.next()
		case t.is(","):
			p.next()
		case !t.is("(") && t.kind != kindName || t.word("offset"):
			return left, nil
		}
		if left, err = p.joined(left, isOr, binds); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// joined reads the right side of left. What lies behind an or counts as a bracket: a comma there makes it one.
func (p *parser) joined(left Predicate, isOr bool, binds int) (Predicate, error) {
	if !isOr {
		right, err := p.predicate(binds)
		return &And{left, right}, err
	}
	leave, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	right, err := p.predicate(binds)
	return &Or{left, right}, err
}

func (p *parser) comparison() (Predicate, error) {
	if p.accept("(") {
		leave, err := p.enter()
		if err != nil {
			return nil, err
		}
		defer leave()
		inner, err := p.predicate(0)
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	after := p.peekAfter()
	value := p.tokens[min(p.at+2, len(p.tokens)-1)]
	if value.kind == kindString {
		m, err := p.matcher()
		return &m, err
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if after.kind != kindSign || !slices.Contains([]string{"=", "==", "!=", "=~", "!~", ">", ">=", "<", "<="}, after.text) {
		return nil, p.unexpected(after, "a comparison")
	}
	p.next()
	if p.isIP(p.at) {
		if after.text != "=" && after.text != "!=" {
			return nil, p.fail(after, "ip() stands behind = and != only")
		}
		text, err := p.ip()
		return &IPCompare{name, after.text, text}, err
	}
	return p.number(name, after)
}

// number reads the right side of a numeric comparison.
func (p *parser) number(name string, op token) (Predicate, error) {
	c := &Compare{Name: name, Op: op.text}
	if c.Op == "=" {
		c.Op = "=="
	}
	if c.Op == "=~" || c.Op == "!~" {
		return nil, p.unexpected(p.peek(), "a string")
	}
	sign := ""
	if p.accept("-") {
		sign = "-"
	} else {
		p.accept("+")
	}
	t := p.next()
	c.Text = sign + t.text
	switch t.kind {
	case kindNumber:
		value, err := strconv.ParseFloat(c.Text, 64)
		if err != nil {
			return nil, p.fail(t, "%q is not a number", shorten(t.text))
		}
		c.Value = value
		return c, nil
	case kindQuantity:
		if d, err := ParseDuration(t.text); err == nil {
			c.Measure, c.Value = Duration, d.Seconds()
			if sign != "" {
				c.Value = -c.Value
			}
			return c, nil
		}
		size, err := ParseBytes(t.text)
		if err != nil || sign != "" {
			return nil, p.fail(t, "%q is neither a duration nor a size", shorten(c.Text))
		}
		c.Measure, c.Value = Bytes, size
		return c, nil
	}
	return nil, p.unexpected(t, "a string, a number, a duration or a size")
}
