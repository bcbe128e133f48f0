package logqlengine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// Selection says which entries a query reads.
type Selection struct {
	Matchers []logql.Matcher // of the labels of the stream
	From, To int64           // nanoseconds; From <= time < To

	// Lines and Labels are hints: entries that they drop are dropped by the query too. Labels are compared with labels of
	// the stream and with structured metadata.
	Lines  []*logql.LineFilter
	Labels []*logql.Matcher
	// Needed, unless nil, are the only labels that are looked at, beside those of streams: a source may leave the others out.
	Needed []string
	// Placed: entries need their places.
	Placed bool
}

// Source has the entries.
type Source interface {
	// Select hands over the selected entries in any order, one at a time, until each returns an error, which it returns.
	// The entry and its texts are each's only during the call.
	Select(ctx context.Context, s Selection, each func(*logqlpipeline.Entry) error) error
	// Streams hands over each stream that has selected entries; those labels stay.
	Streams(ctx context.Context, s Selection, each func(Stream) error) error
}

// Stream is a set of labels and how much a source has of it.
type Stream struct {
	Labels         logqlpipeline.Labels
	Entries, Bytes int64
}

// Limits bound one query; each has to be above zero. A query holds at most about
// HeldBytes + Cells × 9 B + Samples × 16 B.
type Limits struct {
	Entries      int           // lines of an answer: the most that limit may ask for
	Series       int           // of an answer to a metric query
	InnerSeries  int           // that a metric query holds before it aggregates them
	Steps        int           // of a range query
	Cells        int           // series × steps of all parts of a query
	Samples      int           // of unwrapped values
	Work         int64         // values looked at: windows overlap when a range is longer than the step
	HeldBytes    int64         // of lines and labels of an answer
	ScannedBytes int64         // of lines read
	Timeout      time.Duration // of the whole query
}

// DefaultLimits follow Loki's where it has one.
var DefaultLimits = Limits{
	Entries: 5000, Series: 500, InnerSeries: 50000, Steps: 11000, Cells: 20_000_000, Samples: 10_000_000, Work: 1_000_000_000,
	HeldBytes: 64 << 20, ScannedBytes: 20 << 30, Timeout: time.Minute,
}

// LimitError is the refusal of a query that costs too much.
type LimitError struct {
	// Reason is the name of the limit: entries, series, steps, cells, samples, work, held_bytes, scanned_bytes, timeout.
	Reason  string
	message string
}

func (e *LimitError) Error() string { return e.message }

func tooMuch(reason, format string, args ...any) error {
	return &LimitError{reason, fmt.Sprintf(format, args...)}
}

// Timeout is the refusal of a query that took this long.
func Timeout(d time.Duration) error {
	return tooMuch("timeout", "the query took longer than %s: ask for a shorter time or fewer streams", d)
}

// TooMuch is the refusal of a source.
func TooMuch(reason, message string) error { return &LimitError{reason, message} }

// PipelineError says that a metric query met a line that a stage could not read.
type PipelineError struct{ Kind, Series string }

func (e *PipelineError) Error() string {
	return fmt.Sprintf("pipeline error: '%s' for series: '%s'.\nUse a label filter to intentionally skip this error. (e.g | __error__!=\"%s\").\n"+
		"To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"+
		"The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )", e.Kind, e.Series, e.Kind)
}

// ErrLogInstant is returned for lines at one time.
var ErrLogInstant = errors.New("log queries are not supported as an instant query type, please change your query to a range query type")

// Engine evaluates queries over one source. It is safe for concurrent use.
type Engine struct {
	source Source
	limits Limits
	now    func() time.Time
}

// New makes an engine.
func New(source Source, limits Limits) *Engine {
	return &Engine{source, limits, time.Now}
}

// Limits are those of the engine.
func (e *Engine) Limits() Limits { return e.limits }

// Stats says what a query read.
type Stats struct {
	Lines, Bytes int64
	Taken        time.Duration
	Returned     int
}

// run is one evaluation.
type run struct {
	*Engine
	text  string
	stats Stats
	begin time.Time
	cells int
	work  int64
}

func (e *Engine) begin(ctx context.Context, text string) (*run, context.Context, func()) {
	r := &run{Engine: e, text: text, begin: e.now()}
	ctx, cancel := context.WithTimeoutCause(ctx, e.limits.Timeout, Timeout(e.limits.Timeout))
	return r, ctx, cancel
}

// end makes a context's end the reason that it was given.
func (r *run) end(ctx context.Context, err error) (Stats, error) {
	r.stats.Taken = r.now().Sub(r.begin)
	if err != nil && ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
	}
	return r.stats, err
}

// read sends the entries of a selection through a pipeline. wanted, if there is one, looks at the time and place first.
func (r *run) read(ctx context.Context, stages []logql.Stage, s Selection, p *logqlpipeline.Pipeline, wanted func(*logqlpipeline.Entry) bool,
	found func(*logqlpipeline.Entry, *logqlpipeline.Record) error) error {
	s.Lines, s.Labels = hints(stages)
	p.Until(ctx)
	return r.source.Select(ctx, s, func(e *logqlpipeline.Entry) error {
		r.stats.Lines++
		r.stats.Bytes += int64(len(e.Line))
		if r.stats.Bytes > r.limits.ScannedBytes {
			return tooMuch("scanned_bytes", "the query would read more than %d bytes of lines: ask for a shorter time or fewer streams", r.limits.ScannedBytes)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if wanted != nil && !wanted(e) {
			return nil
		}
		record, ok := p.Run(e)
		if !ok {
			return nil
		}
		return found(e, record)
	})
}

// hints are the filters that see a line and its labels as they were stored.
func hints(stages []logql.Stage) (lines []*logql.LineFilter, labels []*logql.Matcher) {
	for _, s := range stages {
		switch s := s.(type) {
		case *logql.LineFilter:
			lines = append(lines, s)
		case *logql.LabelFilter:
			labels = conjuncts(s.Predicate, labels)
		default:
			return lines, labels
		}
	}
	return lines, labels
}

// conjuncts are the matchers that each have to hold.
func conjuncts(p logql.Predicate, to []*logql.Matcher) []*logql.Matcher {
	switch p := p.(type) {
	case *logql.Matcher:
		return append(to, p)
	case *logql.And:
		return conjuncts(p.Right, conjuncts(p.Left, to))
	}
	return to
}

// withoutFormats leaves line_format out where nobody reads the line behind it.
func withoutFormats(stages []logql.Stage) []logql.Stage {
	for i := len(stages) - 1; i >= 0; i-- {
		switch stages[i].(type) {
		case *logql.LabelFilter, *logql.Select:
		case *logql.LineFormat:
			return withoutFormats(slices.Concat(stages[:i], stages[i+1:]))
		default:
			return stages
		}
	}
	return stages
}

// needed are the labels that a query looks at which keeps those of its grouping alone; nil: it may look at all.
func needed(stages []logql.Stage, unwrap *logql.Unwrap, grouping *logql.Grouping) []string {
	if grouping == nil || grouping.Without {
		return nil
	}
	names := append([]string{}, grouping.Labels...)
	if unwrap != nil {
		names = append(names, unwrap.Label)
		for _, f := range unwrap.Filters {
			names = compared(f.Predicate, names)
		}
	}
	for _, s := range stages {
		switch s := s.(type) {
		case *logql.LabelFilter:
			names = compared(s.Predicate, names)
		case *logql.LineFormat, *logql.LabelFormat:
			return nil
		}
	}
	return names
}

func compared(p logql.Predicate, to []string) []string {
	switch p := p.(type) {
	case *logql.And:
		return compared(p.Right, compared(p.Left, to))
	case *logql.Or:
		return compared(p.Right, compared(p.Left, to))
	case *logql.Matcher:
		return append(to, p.Name)
	case *logql.Compare:
		return append(to, p.Name)
	case *logql.IPCompare:
		return append(to, p.Name)
	}
	return to
}
