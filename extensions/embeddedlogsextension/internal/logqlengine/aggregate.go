package logqlengine

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// early tells whether an aggregation of a range aggregation gives the same when lines are grouped as they are read: then the
// series in between are never held.
func early(outer string, inner *logql.Range) bool {
	switch inner.Op {
	case "count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time":
		return outer == "sum" && inner.Group == nil
	case "max_over_time":
		return outer == "max" && inner.Group == nil
	case "min_over_time":
		return outer == "min" && inner.Group == nil
	}
	return false
}

func (r *run) aggregate(ctx context.Context, a *logql.Aggregate, g grid) (*table, error) {
	if inner, ok := a.Inner.(*logql.Range); ok && early(a.Op, inner) {
		return r.rangeTable(ctx, inner, g, a.Group, true)
	}
	t, err := r.eval(ctx, a.Inner, g)
	if err != nil {
		return nil, err
	}
	switch a.Op {
	case "sort", "sort_desc":
		return sorted(t, a.Op == "sort_desc", g), nil
	case "topk", "bottomk":
		return r.topk(t, a, g), nil
	}
	groups, err := r.groups(t, a.Group, g)
	if err != nil {
		return nil, err
	}
	out := &table{}
	for _, group := range groups {
		for i := range g.n {
			group.out.values[i], group.out.has[i] = fold(a.Op, group.rows, i)
		}
		out.rows = append(out.rows, group.out)
	}
	return out, nil
}

type group struct {
	out  *row
	rows []*row
}

func groupLabels(l logqlpipeline.Labels, g *logql.Grouping) logqlpipeline.Labels {
	switch {
	case g == nil:
		return nil
	case g.Without:
		return l.Without(g.Labels)
	}
	return l.Only(g.Labels)
}

// groups come in the order of their first rows.
func (r *run) groups(t *table, by *logql.Grouping, g grid) ([]*group, error) {
	var all []*group
	known := map[string]*group{}
	for _, in := range t.rows {
		labels := groupLabels(in.labels, by)
		key := labels.Key()
		found, ok := known[key]
		if !ok {
			out, err := r.newRow(labels, g)
			if err != nil {
				return nil, err
			}
			found = &group{out: out}
			known[key] = found
			all = append(all, found)
		}
		found.rows = append(found.rows, in)
	}
	return all, nil
}

// fold aggregates one step.
func fold(op string, rows []*row, i int) (float64, bool) {
	n, sum, mean, squares := 0.0, 0.0, 0.0, 0.0
	least, most := math.NaN(), math.NaN()
	for _, r := range rows {
		if !r.has[i] {
			continue
		}
		v := r.values[i]
		n++
		sum += v
		delta := v - mean
		mean += delta / n
		squares += delta * (v - mean)
		if math.IsNaN(least) || v < least {
			least = v
		}
		if math.IsNaN(most) || v > most {
			most = v
		}
	}
	if n == 0 {
		return 0, false
	}
	switch op {
	case "sum":
		return sum, true
	case "avg":
		return sum / n, true
	case "min":
		return least, true
	case "max":
		return most, true
	case "count":
		return n, true
	case "stdvar":
		return squares / n, true
	}
	return math.Sqrt(squares / n), true
}

// topk keeps at each step the k rows of each group that are first by value.
func (r *run) topk(t *table, a *logql.Aggregate, g grid) *table {
	byGroup := map[string][]*row{}
	var order []string
	for _, in := range t.rows {
		key := groupLabels(in.labels, a.Group).Key()
		if byGroup[key] == nil {
			order = append(order, key)
		}
		byGroup[key] = append(byGroup[key], in)
	}
	out := &table{ordered: g.n == 1}
	for _, key := range order {
		rows := byGroup[key]
		for i := range g.n {
			here := slices.DeleteFunc(slices.Clone(rows), func(r *row) bool { return !r.has[i] })
			slices.SortStableFunc(here, func(x, y *row) int { return byValue(x.values[i], y.values[i], a.Op == "topk") })
			for _, dropped := range here[min(a.Param, len(here)):] {
				dropped.has[i] = false
			}
			if out.ordered {
				out.rows = append(out.rows, here...)
			}
		}
		if !out.ordered {
			out.rows = append(out.rows, rows...)
		}
	}
	return out
}

// byValue has NaN last.
func byValue(a, b float64, descending bool) int {
	switch {
	case math.IsNaN(a) || math.IsNaN(b):
		return cmp.Compare(boolInt(math.IsNaN(a)), boolInt(math.IsNaN(b)))
	case descending:
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sorted is of use for one step alone: the series of a range query have no order of values.
func sorted(t *table, descending bool, g grid) *table {
	if g.n != 1 {
		return t
	}
	rows := slices.DeleteFunc(t.rows, func(r *row) bool { return !r.has[0] })
	slices.SortStableFunc(rows, func(a, b *row) int { return byValue(a.values[0], b.values[0], descending) })
	return &table{rows: rows, ordered: true}
}
