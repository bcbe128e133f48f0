package logql

import (
	"net/netip"
	"slices"
	"strings"
)

var lineOps = []string{"|=", "|~", "|>", "!=", "!~", "!>"}

// stages reads as many as there are. A range of a metric query ends them.
func (p *parser) stages() ([]Stage, error) {
	var stages []Stage
	for {
		t := p.peek()
		var stage Stage
		var err error
		switch {
		case t.kind == kindSign && slices.Contains(lineOps, t.text):
			stage, err = p.lineFilter()
		case t.is("|") && p.peekAfter().word("unwrap"):
			return stages, nil
		case t.is("|"):
			p.next()
			stage, err = p.stage()
		default:
			return stages, nil
		}
		if err != nil {
			return nil, err
		}
		stages = append(stages, stage)
	}
}

func (p *parser) isIP(at int) bool {
	return at+1 < len(p.tokens) && p.tokens[at].word("ip") && p.tokens[at+1].is("(")
}

// lineFilter reads |= "a" or "b".
func (p *parser) lineFilter() (Stage, error) {
	op := p.next()
	f := &LineFilter{position: position(op.at), Op: op.text}
	for {
		t := p.peek()
		match, err := p.lineMatch(op)
		if err != nil {
			return nil, err
		}
		if (op.text == "|~" || op.text == "!~") && !match.IP {
			if _, err := CompileRegexp(match.Text); err != nil {
				return nil, p.fail(t, "%s", err)
			}
		}
		f.Alternatives = append(f.Alternatives, match)
		if after := p.peekAfter(); !p.peek().word("or") || after.kind != kindString && !after.word("ip") {
			return f, nil
		}
		p.next()
	}
}

func (p *parser) lineMatch(op token) (LineMatch, error) {
	if p.isIP(p.at) {
		if op.text != "|=" && op.text != "!=" {
			return LineMatch{}, p.fail(p.peek(), "ip() stands behind |= and != only")
		}
		text, err := p.ip()
		return LineMatch{Text: text, IP: true}, err
	}
	text, err := p.str()
	return LineMatch{Text: text}, err
}

func (p *parser) ip() (string, error) {
	p.next()
	if err := p.expect("("); err != nil {
		return "", err
	}
	t := p.peek()
	text, err := p.str()
	if err != nil {
		return "", err
	}
	if _, _, err := ParseIPRange(text); err != nil {
		return "", p.fail(t, "%q is not an address, a range or a CIDR", shorten(text))
	}
	return text, p.expect(")")
}

// ParseIPRange reads 192.168.4.5, 192.168.4.5-192.168.4.20 or 192.168.4.0/24 as its first and last address.
func ParseIPRange(text string) (first, last netip.Addr, err error) {
	if from, to, ok := strings.Cut(text, "-"); ok {
		if first, err = netip.ParseAddr(strings.TrimSpace(from)); err == nil {
			last, err = netip.ParseAddr(strings.TrimSpace(to))
		}
		return first, last, err
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked().Addr(), lastOf(prefix), nil
	}
	first, err = netip.ParseAddr(text)
	return first, first, err
}

func lastOf(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Masked().Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// stage reads what follows a bar.
func (p *parser) stage() (Stage, error) {
	t := p.peek()
	here := position(t.at)
	if t.kind == kindName && !t.is("(") {
		switch word := strings.ToLower(t.text); word {
		case "json":
			p.next()
			fields, err := p.fields()
			return &JSON{here, fields}, err
		case "logfmt":
			p.next()
			return p.logfmt(here)
		case "regexp":
			p.next()
			return p.regexpStage(here)
		case "pattern":
			p.next()
			text, err := p.str()
			return &Pattern{here, text}, err
		case "unpack":
			p.next()
			return &Unpack{here}, nil
		case "decolorize":
			p.next()
			return &Decolorize{here}, nil
		case "line_format":
			p.next()
			text, err := p.str()
			return &LineFormat{here, text}, err
		case "label_format":
			p.next()
			return p.labelFormat(here)
		case "drop", "keep":
			p.next()
			return p.selectLabels(here, word == "keep")
		case "distinct":
			return nil, p.notSupported(t)
		}
	}
	predicate, err := p.predicate(0)
	return &LabelFilter{here, predicate}, err
}

func (p *parser) notSupported(t token) error {
	return p.fail(t, "`%s` is not supported", shorten(t.text))
}

// fields reads name="path", name, ..., or nothing.
func (p *parser) fields() ([]Extract, error) {
	var fields []Extract
	for p.peek().kind == kindName {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		path := name
		if p.accept("=") {
			if path, err = p.str(); err != nil {
				return nil, err
			}
		}
		fields = append(fields, Extract{name, path})
		if !p.accept(",") {
			break
		}
		if p.peek().kind != kindName {
			return nil, p.unexpected(p.peek(), "a name")
		}
	}
	return fields, nil
}

func (p *parser) logfmt(here position) (Stage, error) {
	stage := &Logfmt{position: here}
	for p.peek().kind == kindFlag {
		switch t := p.next(); t.text {
		case "--strict":
			stage.Strict = true
		case "--keep-empty":
			stage.KeepEmpty = true
		default:
			return nil, p.fail(t, "unknown flag %s of logfmt; it has --strict and --keep-empty", shorten(t.text))
		}
	}
	var err error
	stage.Fields, err = p.fields()
	return stage, err
}

func (p *parser) regexpStage(here position) (Stage, error) {
	t := p.peek()
	text, err := p.str()
	if err != nil {
		return nil, err
	}
	re, err := CompileRegexp(text)
	if err != nil {
		return nil, p.fail(t, "%s", err)
	}
	seen := map[string]bool{}
	for _, name := range re.SubexpNames() {
		if name != "" && seen[name] {
			return nil, p.fail(t, "duplicate group %q", name)
		}
		seen[name] = true
	}
	delete(seen, "")
	if len(seen) == 0 {
		return nil, p.fail(t, "at least one named group is needed: (?P<name>...)")
	}
	return &Regexp{here, text}, nil
}

func (p *parser) labelFormat(here position) (Stage, error) {
	stage := &LabelFormat{position: here}
	seen := map[string]bool{}
	for {
		t := p.peek()
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		if name == "__error__" {
			return nil, p.fail(t, "__error__ cannot be formatted")
		}
		if seen[name] {
			return nil, p.fail(t, "multiple label name %q not allowed in a single format operation", name)
		}
		seen[name] = true
		if err := p.expect("="); err != nil {
			return nil, err
		}
		a := Assignment{Name: name}
		switch from := p.next(); from.kind {
		case kindName:
			a.From = from.text
		case kindString:
			a.Template, a.Text = true, from.text
		default:
			return nil, p.unexpected(from, "a label or a template")
		}
		stage.Assignments = append(stage.Assignments, a)
		if !p.accept(",") {
			return stage, nil
		}
	}
}

func (p *parser) selectLabels(here position, keep bool) (Stage, error) {
	stage := &Select{position: here, Keep: keep}
	for {
		after := p.peekAfter()
		var m Matcher
		var err error
		if after.kind == kindSign && slices.Contains([]string{"=", "!=", "=~", "!~"}, after.text) && p.tokens[min(p.at+2, len(p.tokens)-1)].kind == kindString {
			m, err = p.matcher()
		} else {
			m.Name, err = p.name()
		}
		if err != nil {
			return nil, err
		}
		stage.Matchers = append(stage.Matchers, m)
		if !p.accept(",") {
			return stage, nil
		}
	}
}
