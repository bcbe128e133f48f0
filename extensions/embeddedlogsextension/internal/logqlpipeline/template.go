package logqlpipeline

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

// Bounds of one execution of a template.
const (
	maxOutput = 256 << 10 // bytes, of the whole and of each text on the way
	maxTurns  = 10000     // of all its loops together
)

var (
	errOutput  = fmt.Errorf("a template makes more than %d bytes", maxOutput)
	errExpired = errors.New("the time of the query is over")
	errTurns   = fmt.Errorf("the loops of a template turn more than %d times", maxTurns)
)

// formatter executes one template for one record after the other.
type formatter struct {
	template *template.Template
	record   *Record
	turns    int
	out      boundedBuilder
	values   map[string]string
}

type boundedBuilder struct{ strings.Builder }

func (b *boundedBuilder) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		return 0, errOutput
	}
	return b.Builder.Write(p)
}

func newFormatter(text string) (*formatter, error) {
	f := &formatter{values: map[string]string{}}
	functions := templateFunctions()
	functions["__line__"] = func() string { return f.record.Line }
	functions["__timestamp__"] = func() any { return timeOf(f.record.Time) }
	functions[turnFunction] = func() (string, error) {
		if f.turns++; f.turns > maxTurns {
			return "", errTurns
		}
		if f.record.expired() {
			return "", errExpired
		}
		return "", nil
	}
	t, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("invalid template: %w", err)
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("invalid template: define and block are not supported")
	}
	if t.Tree != nil && t.Root != nil {
		if err := bound(t.Root); err != nil {
			return nil, fmt.Errorf("invalid template: %w", err)
		}
	}
	f.template = t
	return f, nil
}

// turnFunction is called by each turn of a loop. No query can write its name in a template that is parsed: it is no identifier elsewhere.
const turnFunction = "__turn__"

// bound puts a count into each loop, which would otherwise turn as often as a number says, without output.
func bound(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		var branch *parse.BranchNode
		switch n := node.(type) {
		case *parse.RangeNode:
			branch = &n.BranchNode
			count, err := template.New("").Funcs(template.FuncMap{turnFunction: func() string { return "" }}).Parse("{{" + turnFunction + "}}")
			if err != nil {
				return err
			}
			n.List.Nodes = append(count.Root.Nodes, n.List.Nodes...)
		case *parse.IfNode:
			branch = &n.BranchNode
		case *parse.WithNode:
			branch = &n.BranchNode
		case *parse.TemplateNode:
			return errors.New("template is not supported")
		default:
			continue
		}
		if err := bound(branch.List); err != nil {
			return err
		}
		if err := bound(branch.ElseList); err != nil {
			return err
		}
	}
	return nil
}

func (f *formatter) execute(r *Record, values map[string]string) (string, error) {
	f.record, f.turns = r, 0
	f.out.Reset()
	err := f.template.Execute(&f.out, values)
	return f.out.String(), err
}

// labelValues is what a template sees.
func labelValues(r *Record, into map[string]string) map[string]string {
	clear(into)
	for i := range r.fields {
		into[r.fields[i].Name] = r.fields[i].Value
	}
	return into
}

type lineFormat struct{ *formatter }

func newLineFormat(s *logql.LineFormat) (stage, error) {
	f, err := newFormatter(s.Template)
	return &lineFormat{f}, err
}

func (s *lineFormat) run(r *Record) bool {
	line, err := s.execute(r, labelValues(r, s.values))
	if err != nil {
		r.Fail(errTemplate, err.Error())
		return true
	}
	r.Line = line
	return true
}

type assignment struct {
	logql.Assignment
	*formatter
}

type labelFormat struct {
	assignments []assignment
	values      map[string]string
}

func newLabelFormat(s *logql.LabelFormat) (stage, error) {
	f := &labelFormat{values: map[string]string{}}
	for _, a := range s.Assignments {
		set := assignment{Assignment: a}
		if a.Template {
			var err error
			if set.formatter, err = newFormatter(a.Text); err != nil {
				return nil, err
			}
		}
		f.assignments = append(f.assignments, set)
	}
	return f, nil
}

func (s *labelFormat) run(r *Record) bool {
	for i := range s.assignments {
		a := &s.assignments[i]
		if !a.Template {
			if value, ok := r.Value(a.From); ok {
				r.remove(a.From)
				r.set(a.Name, value, FromLine)
			}
			continue
		}
		value, err := a.execute(r, labelValues(r, s.values))
		if err != nil {
			r.Fail(errTemplate, err.Error())
			continue
		}
		r.set(a.Name, value, FromLine)
	}
	return true
}
