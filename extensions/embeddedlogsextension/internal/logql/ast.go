package logql

import (
	"regexp"
	"regexp/syntax"
	"time"
)

// Expr is a query: a *LogQuery, or one of the metric queries below.
type Expr interface {
	// String is the query in one form that means the same.
	String() string
}

// LogQuery selects streams and sends their lines through stages.
type LogQuery struct {
	Matchers []Matcher
	Stages   []Stage
}

// Matcher compares one label: = != =~ !~. Expressions match the whole value. A label that is not there is empty.
type Matcher struct {
	Name, Op, Value string
	re              *regexp.Regexp
}

// NewMatcher compiles what needs to be compiled.
func NewMatcher(name, op, value string) (Matcher, error) {
	m := Matcher{Name: name, Op: op, Value: value}
	if op == "=~" || op == "!~" {
		if _, err := syntax.Parse(value, syntax.Perl); err != nil { // by itself: a)(b is no expression
			return m, err
		}
		re, err := CompileRegexp("^(?s:" + value + ")$")
		if err != nil {
			return m, err
		}
		m.re = re
	}
	return m, nil
}

// Matches tells whether a label of this value is selected.
func (m *Matcher) Matches(value string) bool {
	switch m.Op {
	case "=":
		return value == m.Value
	case "!=":
		return value != m.Value
	case "=~":
		return m.re.MatchString(value)
	default:
		return !m.re.MatchString(value)
	}
}

// Stage is one step of a pipeline.
type Stage interface {
	String() string
	// Offset is where the stage begins in the query.
	Offset() int
}

type position int

func (p position) Offset() int { return int(p) }

// LineFilter keeps lines by their text: |= != |~ !~ |> !>. With several alternatives
// one that matches decides: it keeps the line, or with != !~ !> drops it.
type LineFilter struct {
	position
	Op           string
	Alternatives []LineMatch
}

// LineMatch is a text, an expression, a pattern, or with IP an address, a range or a CIDR.
type LineMatch struct {
	Text string
	IP   bool
}

// Extract takes a field of a line under a name of its own.
type Extract struct{ Name, Path string }

// JSON extracts all fields, or those of Fields alone.
type JSON struct {
	position
	Fields []Extract
}

// Logfmt extracts all fields, or those of Fields alone.
type Logfmt struct {
	position
	Strict, KeepEmpty bool
	Fields            []Extract
}

// Regexp extracts its named groups.
type Regexp struct {
	position
	Text string
}

// Pattern extracts what <name> stands for.
type Pattern struct {
	position
	Text string
}

// Unpack takes apart what Promtail's pack stage put together.
type Unpack struct{ position }

// LabelFilter keeps lines by their labels.
type LabelFilter struct {
	position
	Predicate Predicate
}

// Predicate is an And, Or, *Matcher, *Compare or *IPCompare.
type Predicate interface{ String() string }

// And holds when both do.
type And struct{ Left, Right Predicate }

// Or holds when one does.
type Or struct{ Left, Right Predicate }

// Measure says how a label becomes a number.
type Measure uint8

// What a label is compared as.
const (
	Plain Measure = iota
	Duration
	Bytes
)

// Compare compares a label as a number: == != > >= < <=.
type Compare struct {
	Name, Op string
	Measure  Measure
	// Value is seconds of a Duration.
	Value float64
	Text  string
}

// IPCompare looks for a label's address in a range: = !=.
type IPCompare struct{ Name, Op, Range string }

// LineFormat replaces the line by a template.
type LineFormat struct {
	position
	Template string
}

// LabelFormat sets labels.
type LabelFormat struct {
	position
	Assignments []Assignment
}

// Assignment renames a label, or sets it to a template.
type Assignment struct {
	Name     string
	From     string // a label, when Template is false
	Template bool
	Text     string
}

// Select is Drop or Keep: labels by name, or by name and value.
type Select struct {
	position
	Keep bool
	// Matchers with an empty Op mean any value.
	Matchers []Matcher
}

// Decolorize takes ANSI colours out of the line.
type Decolorize struct{ position }

// Unwrap makes a label the value of a line; the label filters behind it see its errors.
type Unwrap struct {
	position
	Label string
	// Convert is "", "duration", "duration_seconds" or "bytes".
	Convert string
	Filters []*LabelFilter
}

// Grouping is by or without labels.
type Grouping struct {
	Without bool
	Labels  []string
}

// Range aggregates the lines of a window behind each step.
type Range struct {
	position
	Op     string
	Param  float64 // of quantile_over_time
	Query  *LogQuery
	Unwrap *Unwrap // nil: lines are counted
	Window time.Duration
	Behind time.Duration // offset
	Group  *Grouping
}

// Aggregate aggregates series at each step; sort and sort_desc are among its Ops.
type Aggregate struct {
	position
	Op    string
	Param int // of topk and bottomk
	Inner Expr
	Group *Grouping
}

// Binary combines two metric queries.
type Binary struct {
	position
	Op          string
	Left, Right Expr
	// Bool makes a comparison 0 or 1 instead of a filter.
	Bool bool
	// On or ignoring Labels; Matched tells whether one of them was there.
	Matched, On bool
	Labels      []string
	// Many is "", "left" (group_left) or "right"; Include are labels taken from the other side.
	Many    string
	Include []string
}

// Number is a constant.
type Number struct{ Value float64 }

// Vector is a series without labels that has one value at each step.
type Vector struct{ Value float64 }

// LabelReplace sets a label from another one by an expression.
type LabelReplace struct {
	position
	Inner                                   Expr
	Target, Replacement, Source, Expression string
}
