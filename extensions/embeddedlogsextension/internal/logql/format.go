package logql

import (
	"math"
	"strconv"
	"strings"
	"time"
)

func (q *LogQuery) String() string {
	var b strings.Builder
	b.WriteString(selectorString(q.Matchers))
	for _, s := range q.Stages {
		b.WriteString(" " + s.String())
	}
	return b.String()
}

func selectorString(matchers []Matcher) string {
	texts := make([]string, len(matchers))
	for i := range matchers {
		texts[i] = matchers[i].String()
	}
	return "{" + strings.Join(texts, ", ") + "}"
}

func (m *Matcher) String() string { return m.Name + m.Op + strconv.Quote(m.Value) }

// quote prefers backticks where quotes would need escapes.
func quote(s string) string {
	if strings.ContainsAny(s, "\"\\") && !strings.ContainsAny(s, "`\r") {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func (f *LineFilter) String() string {
	texts := make([]string, len(f.Alternatives))
	for i, a := range f.Alternatives {
		texts[i] = quote(a.Text)
		if a.IP {
			texts[i] = "ip(" + texts[i] + ")"
		}
	}
	return f.Op + " " + strings.Join(texts, " or ")
}

func fieldsString(fields []Extract) string {
	texts := make([]string, len(fields))
	for i, f := range fields {
		texts[i] = f.Name + "=" + quote(f.Path)
	}
	return strings.Join(texts, ", ")
}

func (s *JSON) String() string { return strings.TrimSpace("| json " + fieldsString(s.Fields)) }

func (s *Logfmt) String() string {
	text := "| logfmt"
	if s.Strict {
		text += " --strict"
	}
	if s.KeepEmpty {
		text += " --keep-empty"
	}
	return strings.TrimSpace(text + " " + fieldsString(s.Fields))
}

func (s *Regexp) String() string      { return "| regexp " + quote(s.Text) }
func (s *Pattern) String() string     { return "| pattern " + quote(s.Text) }
func (s *Unpack) String() string      { return "| unpack" }
func (s *Decolorize) String() string  { return "| decolorize" }
func (s *LabelFilter) String() string { return "| " + s.Predicate.String() }
func (s *LineFormat) String() string  { return "| line_format " + quote(s.Template) }

// operandString puts an or in brackets: and binds more.
func operandString(p Predicate) string {
	if _, ok := p.(*Or); ok {
		return "(" + p.String() + ")"
	}
	return p.String()
}

func (p *And) String() string { return operandString(p.Left) + " and " + operandString(p.Right) }
func (p *Or) String() string  { return p.Left.String() + " or " + p.Right.String() }

func (p *Compare) String() string   { return p.Name + p.Op + p.Text }
func (p *IPCompare) String() string { return p.Name + p.Op + "ip(" + quote(p.Range) + ")" }

func (s *LabelFormat) String() string {
	texts := make([]string, len(s.Assignments))
	for i, a := range s.Assignments {
		texts[i] = a.Name + "=" + a.From
		if a.Template {
			texts[i] = a.Name + "=" + quote(a.Text)
		}
	}
	return "| label_format " + strings.Join(texts, ", ")
}

func (s *Select) String() string {
	texts := make([]string, len(s.Matchers))
	for i := range s.Matchers {
		m := &s.Matchers[i]
		texts[i] = m.Name
		if m.Op != "" {
			texts[i] = m.String()
		}
	}
	verb := "| drop "
	if s.Keep {
		verb = "| keep "
	}
	return verb + strings.Join(texts, ", ")
}

func (u *Unwrap) String() string {
	text := "| unwrap " + u.Label
	if u.Convert != "" {
		text = "| unwrap " + u.Convert + "(" + u.Label + ")"
	}
	for _, f := range u.Filters {
		text += " " + f.String()
	}
	return text
}

func (g *Grouping) String() string {
	if g.Without {
		return "without (" + strings.Join(g.Labels, ", ") + ")"
	}
	return "by (" + strings.Join(g.Labels, ", ") + ")"
}

func (r *Range) String() string {
	text := r.Op + "("
	if r.Op == "quantile_over_time" {
		text += numberString(r.Param) + ", "
	}
	text += r.Query.String()
	if r.Unwrap != nil {
		text += " " + r.Unwrap.String()
	}
	text += "[" + durationString(r.Window) + "]"
	if r.Behind > 0 {
		text += " offset " + durationString(r.Behind)
	} else if r.Behind < 0 {
		text += " offset -" + durationString(-r.Behind)
	}
	text += ")"
	if r.Group != nil {
		text += " " + r.Group.String()
	}
	return text
}

// durationString has the longest units that fit: 1h30m.
func durationString(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", 1}}
	text := ""
	for _, u := range units {
		if n := d / u.size; n > 0 {
			text += strconv.FormatInt(int64(n), 10) + u.name
			d -= n * u.size
		}
	}
	if text == "" {
		return "0s"
	}
	return text
}

func numberString(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return "(0/0)" // no number of LogQL is infinite
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func (a *Aggregate) String() string {
	text := a.Op
	if a.Group != nil {
		text += " " + a.Group.String() + " "
	}
	text += "("
	if a.Op == "topk" || a.Op == "bottomk" {
		text += strconv.Itoa(a.Param) + ", "
	}
	return text + a.Inner.String() + ")"
}

func (b *Binary) String() string {
	text := bracket(b.Left) + " " + b.Op
	if b.Bool {
		text += " bool"
	}
	if b.Matched {
		word := " ignoring ("
		if b.On {
			word = " on ("
		}
		text += word + strings.Join(b.Labels, ", ") + ")"
	}
	if b.Many != "" {
		text += " group_" + b.Many + " (" + strings.Join(b.Include, ", ") + ")"
	}
	return text + " " + bracket(b.Right)
}

func bracket(e Expr) string {
	if _, ok := e.(*Binary); ok {
		return "(" + e.String() + ")"
	}
	return e.String()
}

func (n *Number) String() string { return numberString(n.Value) }
func (v *Vector) String() string { return "vector(" + numberString(v.Value) + ")" }

func (r *LabelReplace) String() string {
	text := "label_replace(" + r.Inner.String()
	for _, s := range []string{r.Target, r.Replacement, r.Source, r.Expression} {
		text += ", " + strconv.Quote(s)
	}
	return text + ")"
}
