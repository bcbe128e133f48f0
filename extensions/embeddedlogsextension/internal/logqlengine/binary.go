package logqlengine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// ErrMatching is returned when series of both sides of an operator don't fit together; the error says which.
var ErrMatching = errors.New("vector matching")

func comparison(op string) bool {
	return slices.Contains([]string{"==", "!=", ">", ">=", "<", "<="}, op)
}

func (r *run) binary(ctx context.Context, b *logql.Binary, g grid) (*table, error) {
	if n, ok := b.Right.(*logql.Number); ok {
		t, err := r.eval(ctx, b.Left, g)
		if err != nil {
			return nil, err
		}
		return withNumber(t, b, func(v float64) (float64, float64) { return v, n.Value }), nil
	}
	if n, ok := b.Left.(*logql.Number); ok {
		t, err := r.eval(ctx, b.Right, g)
		if err != nil {
			return nil, err
		}
		return withNumber(t, b, func(v float64) (float64, float64) { return n.Value, v }), nil
	}
	left, err := r.eval(ctx, b.Left, g)
	if err != nil {
		return nil, err
	}
	right, err := r.eval(ctx, b.Right, g)
	if err != nil {
		return nil, err
	}
	if slices.Contains([]string{"and", "or", "unless"}, b.Op) {
		return setOperation(b, left, right), nil
	}
	return r.matched(b, left, right, g)
}

// withNumber changes the table: nobody else has it.
func withNumber(t *table, b *logql.Binary, sides func(float64) (float64, float64)) *table {
	for _, row := range t.rows {
		for i, has := range row.has {
			if !has {
				continue
			}
			x, y := sides(row.values[i])
			switch {
			case !comparison(b.Op) || b.Bool:
				row.values[i] = logql.Arithmetic(b.Op, x, y)
			case !logql.Holds(b.Op, x, y):
				row.has[i] = false
			}
		}
	}
	return t
}

// signature are the labels by which two series belong together.
func signature(b *logql.Binary, l logqlpipeline.Labels) logqlpipeline.Labels {
	if b.On {
		return l.Only(b.Labels)
	}
	return l.Without(b.Labels)
}

func bySignature(b *logql.Binary, t *table) map[string][]*row {
	sides := map[string][]*row{}
	for _, row := range t.rows {
		key := signature(b, row.labels).Key()
		sides[key] = append(sides[key], row)
	}
	return sides
}

func setOperation(b *logql.Binary, left, right *table) *table {
	others := bySignature(b, right)
	if b.Op == "or" {
		mine := bySignature(b, left)
		for _, row := range right.rows {
			hide(row, mine[signature(b, row.labels).Key()], true)
		}
		return merged(left, right)
	}
	for _, row := range left.rows {
		hide(row, others[signature(b, row.labels).Key()], b.Op == "unless")
	}
	return left
}

// hide removes the values at steps where one of the others has one, or with where false where none has.
func hide(r *row, others []*row, where bool) {
	for i := range r.has {
		there := slices.ContainsFunc(others, func(o *row) bool { return o.has[i] })
		if there == where {
			r.has[i] = false
		}
	}
}

// merged joins rows of equal labels, which never have values at the same step.
func merged(a, b *table) *table {
	known := map[string]*row{}
	for _, row := range a.rows {
		known[row.labels.Key()] = row
	}
	for _, row := range b.rows {
		to, ok := known[row.labels.Key()]
		if !ok {
			a.rows = append(a.rows, row)
			continue
		}
		for i, has := range row.has {
			if has && !to.has[i] {
				to.values[i], to.has[i] = row.values[i], true
			}
		}
	}
	return a
}

// matched combines each row of the many side with the one of the other side that has its signature.
func (r *run) matched(b *logql.Binary, left, right *table, g grid) (*table, error) {
	many, one := left, right
	swapped := b.Many == "right"
	if swapped {
		many, one = right, left
	}
	ones := bySignature(b, one)
	out := &table{}
	results := map[string]*row{}
	for _, m := range many.rows {
		partners := ones[signature(b, m.labels).Key()]
		if len(partners) == 0 {
			continue
		}
		for _, o := range partners {
			labels := resultLabels(b, m.labels, o.labels)
			to, known := results[labels.Key()]
			if !known {
				var err error
				if to, err = r.newRow(labels, g); err != nil {
					return nil, err
				}
				results[labels.Key()] = to
				out.rows = append(out.rows, to)
			}
			if err := combine(b, to, m, o, swapped, partners); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// combine writes the steps at which both have values.
func combine(b *logql.Binary, to, m, o *row, swapped bool, partners []*row) error {
	for i := range to.has {
		if !m.has[i] || !o.has[i] {
			continue
		}
		if len(partners) > 1 {
			there := 0
			for _, p := range partners {
				there += boolInt(p.has[i])
			}
			if there > 1 {
				return fmt.Errorf("%w: found duplicate series for the match group %s on the side that may have one: %s and others; many-to-many matching is not allowed, matching labels must be unique on one side",
					ErrMatching, signature(b, o.labels), o.labels)
			}
		}
		x, y := m.values[i], o.values[i]
		kept := x
		if swapped {
			x, y = y, x
		}
		value, keep := kept, true
		if !comparison(b.Op) || b.Bool {
			value = logql.Arithmetic(b.Op, x, y)
		} else {
			keep = logql.Holds(b.Op, x, y)
		}
		if to.has[i] {
			return fmt.Errorf("%w: multiple matches for labels %s: many-to-one matching must be explicit (group_left/group_right)", ErrMatching, to.labels)
		}
		if keep {
			to.values[i], to.has[i] = value, true
		}
	}
	return nil
}

func resultLabels(b *logql.Binary, many, one logqlpipeline.Labels) logqlpipeline.Labels {
	if b.Many == "" {
		switch {
		case !b.Matched:
			return many
		case b.On:
			return many.Only(b.Labels)
		}
		return many.Without(b.Labels)
	}
	labels := many.Without(b.Include)
	for _, name := range b.Include {
		if value := one.Value(name); value != "" {
			labels = append(labels, logqlpipeline.Label{Name: name, Value: value})
		}
	}
	return logqlpipeline.NewLabels(labels...)
}

func (r *run) labelReplace(ctx context.Context, e *logql.LabelReplace, g grid) (*table, error) {
	t, err := r.eval(ctx, e.Inner, g)
	if err != nil {
		return nil, err
	}
	re, err := logql.CompileRegexp("^(?s:" + e.Expression + ")$")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, row := range t.rows {
		value := row.labels.Value(e.Source)
		if at := re.FindStringSubmatchIndex(value); at != nil {
			labels := row.labels.Without([]string{e.Target})
			if text := string(re.ExpandString(nil, e.Replacement, value, at)); text != "" {
				labels = append(labels, logqlpipeline.Label{Name: e.Target, Value: text})
			}
			row.labels = logqlpipeline.NewLabels(labels...)
		}
		key := row.labels.Key()
		if seen[key] {
			return nil, fmt.Errorf("%w: two series with the same labels %s behind label_replace", ErrMatching, row.labels)
		}
		seen[key] = true
	}
	return t, nil
}
