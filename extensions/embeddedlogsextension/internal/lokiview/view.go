package lokiview

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/otlptranslator"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// Part says what a field of a row is part of. Names of parts that come first are taken as they are; a later field of the same name gets _2.
type Part int

// The parts, in the order of their precedence.
const (
	Record    Part = iota // what a record has beside its attributes: trace_id, severity_text, event_name
	Attribute             // of the record
	ScopeName             // name and version of the scope
	ScopeAttribute
	Resource
)

// Labels of streams, as the loki exporter writes them by default.
const (
	ServiceName      = "service_name"
	ServiceNamespace = "service_namespace"
	Environment      = "deployment_environment"
	Level            = "level"
)

const unknownService = "unknown_service"

// From says which resource attributes make a label of streams: the first that has a value. Level is that of the record.
var From = map[string][]string{
	ServiceName:      {"service.name"},
	ServiceNamespace: {"service.namespace"},
	Environment:      {"deployment.environment.name", "deployment.environment"},
}

// Column is a field of rows that have the same fields. An empty value is no field of that row.
type Column struct {
	Part   Part
	Name   string // of the attribute, or of the record's own
	Values []string
}

// Name is what an attribute's name becomes as structured metadata: the rules of Loki and of the exporter.
func Name(attribute string) string {
	namer := otlptranslator.LabelNamer{}
	name, err := namer.Build(attribute)
	if err != nil {
		return "unnamed"
	}
	return name
}

type column struct {
	Column
	label string
}

// Rows shows rows with the same columns. It is not safe for concurrent use.
type Rows struct {
	columns  []column
	streams  [3]streamLabel // in the order of their names, level follows
	level    []string
	detector *LevelDetector
	entry    logqlpipeline.Entry
	stream   []logqlpipeline.Label
	metadata []logqlpipeline.Label
	unique   bool
}

// streamLabel are the values of the attributes that may make it, and where they are among the columns.
type streamLabel struct {
	name string
	from []int
}

// NewRows prepares columns. Of a level the column has to be given as level, not among the others; nil if no row has one.
// detector may be nil: then no level is detected.
func NewRows(all []Column, level []string, detector *LevelDetector) *Rows {
	r := &Rows{level: level, detector: detector, unique: true}
	for _, c := range all {
		r.columns = append(r.columns, column{c, Name(c.Name)})
	}
	slices.SortStableFunc(r.columns, func(a, b column) int {
		if a.label != b.label {
			return strings.Compare(a.label, b.label)
		}
		if a.Part != b.Part {
			return int(a.Part - b.Part)
		}
		return strings.Compare(a.Name, b.Name)
	})
	for i := 1; i < len(r.columns); i++ {
		r.unique = r.unique && r.columns[i].label != r.columns[i-1].label
	}
	for i, name := range []string{Environment, ServiceName, ServiceNamespace} {
		r.streams[i].name = name
		for _, attribute := range From[name] {
			for at := range r.columns {
				if r.columns[at].Part == Resource && r.columns[at].Name == attribute {
					r.streams[i].from = append(r.streams[i].from, at)
				}
			}
		}
	}
	return r
}

// Stream are the labels of the stream of a row; they are valid until the next call.
func (r *Rows) Stream(i int) logqlpipeline.Labels {
	r.stream = r.stream[:0]
	for at := range r.streams {
		s := &r.streams[at]
		value := ""
		for _, c := range s.from {
			if value = r.columns[c].Values[i]; value != "" {
				break
			}
		}
		if value == "" && s.name == ServiceName {
			value = unknownService
		}
		if s.name == ServiceName && r.level != nil && r.level[i] != "" {
			r.stream = append(r.stream, logqlpipeline.Label{Name: Level, Value: r.level[i]})
		}
		if value != "" {
			r.stream = append(r.stream, logqlpipeline.Label{Name: s.name, Value: value})
		}
	}
	return r.stream
}

// Entry is a row; it is valid until the next call.
func (r *Rows) Entry(i int, nanos int64, line string) *logqlpipeline.Entry {
	r.metadata = r.metadata[:0]
	stream := r.Stream(i)
	for at := range r.columns {
		c := &r.columns[at]
		value := c.Values[i]
		if value == "" || c.Part == Resource && r.isLabel(at, i) {
			continue
		}
		label := c.label
		if !r.unique {
			label = r.free(label)
		}
		r.metadata = append(r.metadata, logqlpipeline.Label{Name: label, Value: value})
	}
	if r.detector != nil {
		level := r.detector.Detect(stream, r.metadata, line)
		r.metadata = append(r.metadata, logqlpipeline.Label{Name: DetectedLevelLabel, Value: level})
	}
	r.entry = logqlpipeline.Entry{Time: nanos, Line: line, Stream: stream, Metadata: logqlpipeline.NewLabels(r.metadata...)}
	return &r.entry
}

// isLabel tells whether the attribute in this column is a label of the stream of the row.
func (r *Rows) isLabel(column, row int) bool {
	for at := range r.streams {
		for _, c := range r.streams[at].from {
			if r.columns[c].Values[row] != "" {
				if c == column {
					return true
				}
				break
			}
		}
	}
	return false
}

func (r *Rows) free(label string) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(r.metadata, func(l logqlpipeline.Label) bool { return l.Name == name })
	}
	if !taken(label) {
		return label
	}
	for n := 2; ; n++ {
		if name := label + "_" + strconv.Itoa(n); !taken(name) {
			return name
		}
	}
}
