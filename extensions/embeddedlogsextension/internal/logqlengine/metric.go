package logqlengine

import (
	"context"
	"slices"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// Point is a value at a step.
type Point struct {
	Nanos int64
	Value float64
}

// Series is a set of labels with its points in time order.
type Series struct {
	Labels logqlpipeline.Labels
	Points []Point
}

// Range evaluates a metric query at start, start+step, ... up to end, in nanoseconds. The series are sorted by their labels.
func (e *Engine) Range(ctx context.Context, text string, q logql.Expr, start, end int64, step time.Duration) ([]Series, Stats, error) {
	if step <= 0 {
		return nil, Stats{}, tooMuch("steps", "zero or negative query resolution step widths are not accepted. Try a positive integer")
	}
	if n := (end - start) / int64(step); n >= int64(e.limits.Steps) {
		return nil, Stats{}, tooMuch("steps", "exceeded maximum resolution of %d points per time series. Try increasing the value of the step parameter", e.limits.Steps)
	}
	return e.evaluate(ctx, text, q, start, end, int64(step))
}

// Instant evaluates a metric query at one time. The series come in the order that sort and topk ask for. scalar tells that
// the query is a number.
func (e *Engine) Instant(ctx context.Context, text string, q logql.Expr, at int64) (series []Series, scalar bool, stats Stats, err error) {
	series, stats, err = e.evaluate(ctx, text, q, at, at, 1)
	_, scalar = q.(*logql.Number)
	return series, scalar, stats, err
}

func (e *Engine) evaluate(ctx context.Context, text string, q logql.Expr, start, end, step int64) ([]Series, Stats, error) {
	if _, ok := q.(*logql.LogQuery); ok {
		return nil, Stats{}, ErrLogInstant
	}
	r, ctx, cancel := e.begin(ctx, text)
	defer cancel()
	g := grid{start: start, step: step, n: int((end-start)/step) + 1}
	t, err := r.eval(ctx, q, g)
	var series []Series
	if err == nil {
		series, err = r.series(t, g)
	}
	r.stats.Returned = len(series)
	stats, err := r.end(ctx, err)
	return series, stats, err
}

func (r *run) series(t *table, g grid) ([]Series, error) {
	var out []Series
	for _, row := range t.rows {
		s := Series{Labels: row.labels}
		for i, has := range row.has {
			if has {
				s.Points = append(s.Points, Point{g.at(i), row.values[i]})
			}
		}
		if len(s.Points) > 0 {
			out = append(out, s)
		}
		if len(out) > r.limits.Series {
			return nil, tooMuch("series", "maximum number of series (%d) reached for a single query; consider reducing query cardinality by adding "+
				"more specific stream selectors, reducing the time range, or aggregating results with functions like sum, count or topk", r.limits.Series)
		}
	}
	if !t.ordered {
		slices.SortFunc(out, func(a, b Series) int { return compareLabels(a.Labels, b.Labels) })
	}
	return out, nil
}

func compareLabels(a, b logqlpipeline.Labels) int {
	return slices.CompareFunc(a, b, func(a, b logqlpipeline.Label) int {
		if a.Name != b.Name {
			return compareStrings(a.Name, b.Name)
		}
		return compareStrings(a.Value, b.Value)
	})
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// grid are the steps of a query.
type grid struct {
	start, step int64
	n           int
}

func (g grid) at(i int) int64 { return g.start + int64(i)*g.step }

// ceil is the first step at or behind a time; it may lie outside of the grid.
func (g grid) ceil(nanos int64) int {
	distance := nanos - g.start
	if distance <= 0 {
		return int(-(-distance / g.step))
	}
	return int((distance + g.step - 1) / g.step)
}

// row is a series of a table: value i is there if has[i].
type row struct {
	labels logqlpipeline.Labels
	values []float64
	has    []bool
}

// table is what a part of a query evaluates to.
type table struct {
	rows    []*row
	ordered bool // by sort or topk
}

// newRow counts the cells of a query.
func (r *run) newRow(labels logqlpipeline.Labels, g grid) (*row, error) {
	if r.cells += g.n; r.cells > r.limits.Cells {
		return nil, tooMuch("cells", "the query would hold more than %d values, series times steps: ask for a longer step, a shorter time, or fewer labels", r.limits.Cells)
	}
	return &row{labels, make([]float64, g.n), make([]bool, g.n)}, nil
}

func (r *run) eval(ctx context.Context, e logql.Expr, g grid) (*table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case *logql.Range:
		return r.rangeTable(ctx, e, g, nil, false)
	case *logql.Aggregate:
		return r.aggregate(ctx, e, g)
	case *logql.Binary:
		return r.binary(ctx, e, g)
	case *logql.LabelReplace:
		return r.labelReplace(ctx, e, g)
	case *logql.Vector:
		return r.constant(e.Value, g)
	default:
		return r.constant(e.(*logql.Number).Value, g)
	}
}

func (r *run) constant(value float64, g grid) (*table, error) {
	only, err := r.newRow(nil, g)
	if err != nil {
		return nil, err
	}
	for i := range only.values {
		only.values[i], only.has[i] = value, true
	}
	return &table{rows: []*row{only}}, nil
}
