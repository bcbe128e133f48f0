package lokiapi

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

const (
	detectedLines = 1000
	// maxDetected bounds the values that are told apart, of all fields together.
	maxDetected = 100000
)

type detectedField struct {
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Cardinality int      `json:"cardinality"`
	Parsers     []string `json:"parsers"`
}

// detect looks into some lines for the fields of their metadata, and of JSON and logfmt.
func (a *API) detect(r *request) (*detector, error) {
	text := r.Form.Get("query")
	e, err := r.parse(text)
	if err != nil {
		return nil, err
	}
	q, ok := e.(*logql.LogQuery)
	if !ok {
		return nil, bad("only log selector is supported")
	}
	start, end, err := r.bounds()
	if err != nil {
		return nil, err
	}
	lines, _, err := r.engine.Lines(r.Context(), text, q, logqlengine.Lines{From: start.UnixNano(), To: end.UnixNano(), Limit: min(detectedLines, a.Limits.Entries)})
	if err != nil {
		return nil, err
	}
	d := &detector{fields: map[string]*detected{}}
	parsers := map[string]*logqlpipeline.Pipeline{}
	for name, stage := range map[string]logql.Stage{"json": &logql.JSON{}, "logfmt": &logql.Logfmt{Strict: true}} {
		if parsers[name], err = logqlpipeline.Compile("", []logql.Stage{stage}); err != nil {
			return nil, err
		}
	}
	for i := range lines {
		d.line(&lines[i], parsers)
	}
	return d, nil
}

func (a *API) detectedFields(r *request) (any, error) {
	d, err := a.detect(r)
	if err != nil {
		return nil, err
	}
	fields := []detectedField{}
	for _, name := range slices.Sorted(maps.Keys(d.fields)) {
		f := d.fields[name]
		fields = append(fields, detectedField{name, f.kind, len(f.values), slices.Sorted(maps.Keys(f.parsers))})
	}
	return map[string]any{"fields": fields, "limit": detectedLines}, nil
}

func (a *API) detectedValues(r *request) (any, error) {
	d, err := a.detect(r)
	if err != nil {
		return nil, err
	}
	values := []string{}
	if f := d.fields[r.PathValue("name")]; f != nil {
		values = slices.Sorted(maps.Keys(f.values))
	}
	return map[string]any{"values": values, "limit": detectedLines}, nil
}

type detected struct {
	kind            string
	values, parsers map[string]bool
}

type detector struct {
	fields map[string]*detected
	values int
}

func (d *detector) line(l *logqlengine.Line, parsers map[string]*logqlpipeline.Pipeline) {
	for _, label := range slices.Concat(l.Metadata, l.Parsed) {
		d.add(label, "")
	}
	for _, name := range []string{"json", "logfmt"} {
		record, _ := parsers[name].Run(&logqlpipeline.Entry{Line: l.Text, Stream: l.Stream})
		found := record.LabelsFrom(logqlpipeline.FromLine)
		if record.Failed() != "" || len(found) == 0 {
			continue
		}
		for _, label := range found {
			d.add(label, name)
		}
		return
	}
}

func (d *detector) add(l logqlpipeline.Label, parser string) {
	f := d.fields[l.Name]
	if f == nil {
		f = &detected{kind: kindOf(l.Value), values: map[string]bool{}, parsers: map[string]bool{}}
		d.fields[l.Name] = f
	}
	if parser != "" {
		f.parsers[parser] = true
	}
	if !f.values[l.Value] && d.values < maxDetected {
		f.values[l.Value] = true
		d.values++
	}
}

// kindOf is Loki's name of what a value looks like.
func kindOf(v string) string {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return "int"
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		return "float"
	}
	if _, err := strconv.ParseBool(v); err == nil {
		return "boolean"
	}
	if _, err := time.ParseDuration(v); err == nil {
		return "duration"
	}
	if _, err := logql.ParseBytes(v); err == nil {
		return "bytes"
	}
	return "string"
}
