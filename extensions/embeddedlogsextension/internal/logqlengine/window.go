package logqlengine

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// window is what a range aggregation keeps of one series.
type window struct {
	*row
	// lines are the changes of the number of lines from step to step, and of the sum of their values.
	lines, sums []float64
	samples     []Point               // of unwrapped values
	places      []logqlpipeline.Place // of the samples, where the operation asks which one is first
}

// ranger evaluates one range aggregation.
type ranger struct {
	*run
	r        *logql.Range
	g        grid
	grouping *logql.Grouping
	want     []string // labels; nil: all
	series   map[string]*window
	samples  int
	key      []byte
	convert  func(string) (float64, error)
	filters  *logqlpipeline.Pipeline
}

// rangeTable evaluates a range aggregation. An aggregation around it that can be made while lines are read passes its grouping (nil: all in one).
func (r *run) rangeTable(ctx context.Context, e *logql.Range, g grid, grouping *logql.Grouping, grouped bool) (*table, error) {
	w := &ranger{run: r, r: e, g: g, grouping: e.Group, series: map[string]*window{}}
	if grouped {
		if w.grouping = grouping; grouping == nil {
			w.grouping = &logql.Grouping{}
		}
	}
	pipeline, err := logqlpipeline.Compile(r.text, e.Query.Stages)
	if err != nil {
		return nil, err
	}
	stages := e.Query.Stages
	if grouped && (e.Op == "count_over_time" || e.Op == "rate") && e.Unwrap == nil {
		if stages = withoutFormats(stages); len(stages) < len(e.Query.Stages) {
			if pipeline, err = logqlpipeline.Compile(r.text, stages); err != nil {
				return nil, err
			}
		}
	}
	w.want = needed(stages, e.Unwrap, w.grouping)
	pipeline.Want(w.want)
	if e.Unwrap != nil {
		w.convert = converter(e.Unwrap.Convert)
		filters := make([]logql.Stage, len(e.Unwrap.Filters))
		for i, f := range e.Unwrap.Filters {
			filters[i] = f
		}
		if w.filters, err = logqlpipeline.Compile(r.text, filters); err != nil {
			return nil, err
		}
	}
	from, to := g.start-int64(e.Behind)-int64(e.Window)+1, g.at(g.n-1)-int64(e.Behind)+1
	s := Selection{Matchers: e.Query.Matchers, From: from, To: to, Needed: w.want, Placed: w.placed()}
	if err := r.read(ctx, stages, s, pipeline, nil, w.add); err != nil {
		return nil, err
	}
	return w.table(ctx)
}

func converter(name string) func(string) (float64, error) {
	switch name {
	case "bytes":
		return logql.ParseBytes
	case "duration", "duration_seconds":
		return func(s string) (float64, error) {
			d, err := time.ParseDuration(s)
			return d.Seconds(), err
		}
	}
	return func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
}

// add counts one line.
func (w *ranger) add(e *logqlpipeline.Entry, record *logqlpipeline.Record) error {
	value := 1.0
	if w.r.Op == "bytes_over_time" || w.r.Op == "bytes_rate" {
		value = float64(len(record.Line))
	}
	if u := w.r.Unwrap; u != nil {
		text, ok := record.Value(u.Label)
		if !ok {
			return nil
		}
		var err error
		if value, err = w.convert(text); err != nil {
			record.Fail(logqlpipeline.SampleError, err.Error())
		}
		if !w.filters.Continue(record) {
			return nil
		}
	}
	if kind := record.Failed(); kind != "" && !w.keepsErrors() {
		return &PipelineError{kind, record.Labels().String()}
	}
	series, err := w.of(w.labels(record))
	if err != nil {
		return err
	}
	behind := int64(w.r.Behind)
	first := max(w.g.ceil(e.Time+behind), 0)
	last := min(w.g.ceil(e.Time+behind+int64(w.r.Window))-1, w.g.n-1)
	if first > last {
		return nil
	}
	if w.r.Unwrap != nil && w.r.Op != "absent_over_time" {
		if w.samples++; w.placed() {
			w.samples++ // a place is as large as a value and its time
		}
		if w.samples > w.limits.Samples {
			return tooMuch("samples", "the query would hold more than %d unwrapped values: ask for a shorter time or fewer streams", w.limits.Samples)
		}
		series.samples = append(series.samples, Point{e.Time, value})
		if w.placed() {
			series.places = append(series.places, e.Place)
		}
		return nil
	}
	series.lines[first]++
	series.lines[last+1]--
	if series.sums != nil {
		series.sums[first] += value
		series.sums[last+1] -= value
	}
	return nil
}

// keepsErrors: a query that groups by errors, or groups what a filter for errors leaves, wants to see them.
func (w *ranger) keepsErrors() bool {
	if w.want == nil {
		return false
	}
	if slices.Contains(w.grouping.Labels, logqlpipeline.ErrorLabel) {
		return true
	}
	for _, s := range w.r.Query.Stages {
		if f, ok := s.(*logql.LabelFilter); ok && looksForErrors(f.Predicate) {
			return true
		}
	}
	return false
}

func looksForErrors(p logql.Predicate) bool {
	switch p := p.(type) {
	case *logql.And:
		return looksForErrors(p.Left) || looksForErrors(p.Right)
	case *logql.Or:
		return looksForErrors(p.Left) || looksForErrors(p.Right)
	case *logql.Matcher:
		return p.Name == logqlpipeline.ErrorLabel && !p.Matches("")
	}
	return false
}

func (w *ranger) labels(record *logqlpipeline.Record) logqlpipeline.Labels {
	if w.r.Op == "absent_over_time" {
		return nil
	}
	if g := w.grouping; g != nil && !g.Without {
		return record.LabelsOf(g.Labels)
	}
	labels := record.Labels()
	if w.r.Unwrap != nil {
		labels = labels.Without([]string{w.r.Unwrap.Label})
	}
	if w.grouping != nil {
		labels = labels.Without(w.grouping.Labels)
	}
	return labels
}

func (w *ranger) of(labels logqlpipeline.Labels) (*window, error) {
	w.key = labels.AppendKey(w.key[:0])
	if known, ok := w.series[string(w.key)]; ok {
		return known, nil
	}
	if len(w.series) >= w.limits.InnerSeries {
		return nil, tooMuch("series", "the query would hold more than %d series before it aggregates them: aggregate by fewer labels, "+
			"or keep only those that count (| keep ...)", w.limits.InnerSeries)
	}
	row, err := w.newRow(labels.Clone(), w.g)
	if err != nil {
		return nil, err
	}
	series := &window{row: row}
	if w.r.Unwrap == nil || w.r.Op == "absent_over_time" {
		if w.cells += w.g.n; w.r.Op == "bytes_over_time" || w.r.Op == "bytes_rate" {
			w.cells += w.g.n
			series.sums = make([]float64, w.g.n+1)
		}
		series.lines = make([]float64, w.g.n+1)
	}
	w.series[string(w.key)] = series
	return series, nil
}

func (w *ranger) table(ctx context.Context) (*table, error) {
	t := &table{}
	if w.r.Op == "absent_over_time" {
		return w.absent()
	}
	for _, series := range w.series {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if w.r.Unwrap == nil {
			w.counted(series)
		} else if err := w.slide(ctx, series); err != nil {
			return nil, err
		}
		t.rows = append(t.rows, series.row)
	}
	slices.SortFunc(t.rows, func(a, b *row) int { return compareLabels(a.labels, b.labels) })
	return t, nil
}

// counted sums up the changes.
func (w *ranger) counted(s *window) {
	var lines, sum float64
	for i := range s.values {
		lines += s.lines[i]
		value := lines
		if s.sums != nil {
			sum += s.sums[i]
			value = sum
		}
		if w.r.Op == "rate" || w.r.Op == "bytes_rate" {
			value /= w.r.Window.Seconds()
		}
		s.values[i], s.has[i] = value, lines > 0
	}
	s.lines, s.sums = nil, nil
}

// absent is 1 where no line is; its labels are what the selector says for certain.
func (w *ranger) absent() (*table, error) {
	var labels []logqlpipeline.Label
	count := map[string]int{}
	for _, m := range w.r.Query.Matchers {
		count[m.Name]++
	}
	for _, m := range w.r.Query.Matchers {
		if m.Op == "=" && count[m.Name] == 1 && m.Value != "" {
			labels = append(labels, logqlpipeline.Label{Name: m.Name, Value: m.Value})
		}
	}
	out, err := w.newRow(logqlpipeline.NewLabels(labels...), w.g)
	if err != nil {
		return nil, err
	}
	for i := range out.has {
		out.values[i], out.has[i] = 1, true
	}
	for _, s := range w.series { // of all lines
		lines := 0.0
		for i := range out.has {
			lines += s.lines[i]
			out.has[i] = lines == 0
		}
	}
	return &table{rows: []*row{out}}, nil
}

// placed: of values of one time it counts which was stored first.
func (w *ranger) placed() bool {
	return w.r.Unwrap != nil && (w.r.Op == "first_over_time" || w.r.Op == "last_over_time")
}

// slide moves the window over the sorted values.
func (w *ranger) slide(ctx context.Context, s *window) error {
	if s.places != nil {
		sort.Sort(byTime{s})
		s.places = nil
	} else {
		slices.SortStableFunc(s.samples, func(a, b Point) int { return cmp.Compare(a.Nanos, b.Nanos) })
	}
	low, high := 0, 0
	var sorted []float64
	for i := range s.values {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		end := w.g.at(i) - int64(w.r.Behind)
		for high < len(s.samples) && s.samples[high].Nanos <= end {
			high++
		}
		for low < high && s.samples[low].Nanos <= end-int64(w.r.Window) {
			low++
		}
		if low == high {
			continue
		}
		if w.work += int64(high - low); w.work > w.limits.Work {
			return tooMuch("work", "the query would look at more than %d values: ask for a longer step or a shorter range", w.limits.Work)
		}
		s.values[i], sorted = w.value(s.samples[low:high], sorted)
		s.has[i] = true
	}
	s.samples = nil
	return nil
}

func (w *ranger) value(samples []Point, sorted []float64) (float64, []float64) {
	switch w.r.Op {
	case "first_over_time":
		return samples[0].Value, sorted
	case "last_over_time":
		return samples[len(samples)-1].Value, sorted
	case "quantile_over_time":
		sorted = sorted[:0]
		for _, s := range samples {
			sorted = append(sorted, s.Value)
		}
		slices.Sort(sorted)
		return quantile(w.r.Param, sorted), sorted
	case "stddev_over_time":
		return math.Sqrt(variance(samples)), sorted
	case "stdvar_over_time":
		return variance(samples), sorted
	}
	sum, least, most := 0.0, samples[0].Value, samples[0].Value
	for _, s := range samples {
		sum += s.Value
		if s.Value < least || math.IsNaN(least) {
			least = s.Value
		}
		if s.Value > most || math.IsNaN(most) {
			most = s.Value
		}
	}
	switch w.r.Op {
	case "min_over_time":
		return least, sorted
	case "max_over_time":
		return most, sorted
	case "avg_over_time":
		return sum / float64(len(samples)), sorted
	case "rate":
		return sum / w.r.Window.Seconds(), sorted
	}
	return sum, sorted
}

// quantile interpolates between the values next to it, as Prometheus does.
func quantile(q float64, sorted []float64) float64 {
	if q < 0 {
		return math.Inf(-1)
	}
	if q > 1 {
		return math.Inf(1)
	}
	rank := q * float64(len(sorted)-1)
	low := int(rank)
	high := min(low+1, len(sorted)-1)
	weight := rank - math.Floor(rank)
	return sorted[low]*(1-weight) + sorted[high]*weight
}

// variance is that of the population (Welford).
func variance(samples []Point) float64 {
	var mean, sum float64
	for i, s := range samples {
		delta := s.Value - mean
		mean += delta / float64(i+1)
		sum += delta * (s.Value - mean)
	}
	return sum / float64(len(samples))
}
