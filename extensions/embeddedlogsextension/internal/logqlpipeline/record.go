package logqlpipeline

import (
	"cmp"
	"context"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

// Labels that tell what a stage could not do with a line, as Loki names them.
const (
	ErrorLabel   = "__error__"
	DetailsLabel = "__error_details__"
)

const (
	errJSON        = "JSONParserErr"
	errLogfmt      = "LogfmtParserErr"
	errLabelFilter = "LabelFilterErr"
	errTemplate    = "TemplateFormatErr"
	errTooMany     = "TooManyLabelsErr" // Loki has no such bound
)

// SampleError is a label that unwrap could not make a number of.
const SampleError = "SampleExtractionErr"

// extracted is what Loki appends to a name that a label of the stream or of the metadata has already.
const extracted = "_extracted"

// Place orders entries of one time: first by the record of a journal that they came with, then by the place in it. An entry that came without a
// journal has the zero Place.
type Place struct{ Offset, Index int64 }

// Compare is negative where p comes before other.
func (p Place) Compare(other Place) int {
	return cmp.Or(cmp.Compare(p.Offset, other.Offset), cmp.Compare(p.Index, other.Index))
}

// Entry is one line as it was stored. Nobody changes its labels.
type Entry struct {
	Time             int64 // nanoseconds since 1970
	Place            Place // where a selection asks for it
	Line             string
	Stream, Metadata Labels
}

// Category says where a label is from.
type Category uint8

// Categories, as Loki tells them apart in answers.
const (
	FromStream Category = iota
	FromMetadata
	FromLine
)

type field struct {
	Label
	from Category
}

// Record is an entry on its way through the stages. It is reused, and its texts are the entry's: Labels.Clone keeps them.
type Record struct {
	Time   int64
	Line   string
	fields []field
	until  context.Context // loops of templates end with it; nil: never
	wanted []string        // by the query; nil: all
}

// enough tells whether parsers have found all that is wanted: then Loki stops reading the line, and does not see what is wrong behind that.
func (r *Record) enough() bool {
	if r.wanted == nil {
		return false
	}
	for _, name := range r.wanted {
		if i := r.at(name); i < 0 || r.fields[i].from != FromLine {
			return false
		}
	}
	return true
}

func (r *Record) expired() bool { return r.until != nil && r.until.Err() != nil }

func (r *Record) reset(e *Entry) {
	r.Time, r.Line, r.fields = e.Time, e.Line, r.fields[:0]
	for _, l := range e.Stream {
		r.fields = append(r.fields, field{l, FromStream})
	}
	for _, l := range e.Metadata {
		if e.Stream.Value(l.Name) != "" {
			l.Name += extracted
		}
		r.set(l.Name, l.Value, FromMetadata)
	}
}

func (r *Record) at(name string) int {
	for i := range r.fields {
		if r.fields[i].Name == name {
			return i
		}
	}
	return -1
}

// Value is empty for a label that is not there.
func (r *Record) Value(name string) (string, bool) {
	if i := r.at(name); i >= 0 {
		return r.fields[i].Value, true
	}
	return "", false
}

func (r *Record) set(name, value string, from Category) {
	if i := r.at(name); i >= 0 {
		r.fields[i] = field{Label{name, value}, from}
		return
	}
	r.fields = append(r.fields, field{Label{name, value}, from})
}

func (r *Record) remove(name string) {
	if i := r.at(name); i >= 0 {
		r.fields = append(r.fields[:i], r.fields[i+1:]...)
	}
}

// maxFields bounds the labels of a line with those that parsers find: further ones are left out, with an error.
const maxFields = 2000

// extract sets a label that a parser found.
func (r *Record) extract(name, value string) {
	if len(r.fields) >= maxFields {
		if len(r.fields) == maxFields { // Fail adds two
			r.Fail(errTooMany, "the line has more than 2000 labels")
		}
		return
	}
	i := r.at(name)
	if i >= 0 && r.fields[i].from != FromLine {
		name += extracted
		i = r.at(name)
	}
	if i >= 0 && r.fields[i].from == FromLine {
		return // the first stays
	}
	r.set(name, value, FromLine)
}

// Fail notes what could not be done with the line; the first error stays.
func (r *Record) Fail(kind, details string) {
	if _, failed := r.Value(ErrorLabel); failed {
		return
	}
	r.set(ErrorLabel, kind, FromLine)
	if details != "" {
		r.set(DetailsLabel, strings.ToValidUTF8(details, " "), FromLine)
	}
}

// Failed is the kind of the first error, empty without one.
func (r *Record) Failed() string {
	kind, _ := r.Value(ErrorLabel)
	return kind
}

// Labels copies all labels. What a stage found empty is among them, as in Loki.
func (r *Record) Labels() Labels {
	all := make([]Label, 0, len(r.fields))
	for i := range r.fields {
		all = append(all, r.fields[i].Label)
	}
	return NewLabels(all...)
}

// LabelsOf copies the labels of these names that are there.
func (r *Record) LabelsOf(names []string) Labels {
	all := make([]Label, 0, len(names))
	for _, name := range names {
		if value, ok := r.Value(name); ok {
			all = append(all, Label{name, value})
		}
	}
	return NewLabels(all...)
}

// LabelsFrom copies the labels of one category.
func (r *Record) LabelsFrom(c Category) Labels {
	var all []Label
	for i := range r.fields {
		if r.fields[i].from == c {
			all = append(all, r.fields[i].Label)
		}
	}
	return NewLabels(all...)
}

type stage interface {
	// run changes the record; false drops it.
	run(*Record) bool
}

// Pipeline runs the stages of one query. It is not safe for concurrent use.
type Pipeline struct {
	stages []stage
	record Record
}

// Compile prepares the stages; text is the query that they are from, for errors.
func Compile(text string, stages []logql.Stage) (*Pipeline, error) {
	p := &Pipeline{}
	for _, s := range stages {
		compiled, err := compile(s)
		if err != nil {
			return nil, logql.ErrorAt(text, s.Offset(), "%s", err)
		}
		p.stages = append(p.stages, compiled)
	}
	return p, nil
}

// Until ends what takes long within one entry when ctx does.
func (p *Pipeline) Until(ctx context.Context) { p.record.until = ctx }

// Want says which labels are looked at, if not all: parsers stop when they have found them.
func (p *Pipeline) Want(names []string) { p.record.wanted = names }

// Run sends one entry through. The record is valid until the next call.
func (p *Pipeline) Run(e *Entry) (*Record, bool) {
	p.record.reset(e)
	return &p.record, p.Continue(&p.record)
}

// Continue sends a record of another pipeline through.
func (p *Pipeline) Continue(r *Record) bool {
	for _, s := range p.stages {
		if !s.run(r) {
			return false
		}
	}
	return true
}

func compile(s logql.Stage) (stage, error) {
	switch s := s.(type) {
	case *logql.LineFilter:
		return newLineFilter(s)
	case *logql.JSON:
		return newJSON(s)
	case *logql.Logfmt:
		return newLogfmt(s)
	case *logql.Regexp:
		return newRegexpStage(s)
	case *logql.Pattern:
		return newPatternStage(s)
	case *logql.Unpack:
		return &unpackStage{names: newNames()}, nil
	case *logql.LabelFilter:
		return newFilter(s.Predicate)
	case *logql.LineFormat:
		return newLineFormat(s)
	case *logql.LabelFormat:
		return newLabelFormat(s)
	case *logql.Select:
		return &selectStage{s}, nil
	default:
		return decolorizeStage{}, nil
	}
}
