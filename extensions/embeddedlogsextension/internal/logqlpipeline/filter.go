package logqlpipeline

import (
	"strconv"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

func newFilter(p logql.Predicate) (stage, error) {
	switch p := p.(type) {
	case *logql.And:
		left, err := newFilter(p.Left)
		if err != nil {
			return nil, err
		}
		right, err := newFilter(p.Right)
		return &both{left, right}, err
	case *logql.Or:
		left, err := newFilter(p.Left)
		if err != nil {
			return nil, err
		}
		right, err := newFilter(p.Right)
		return &either{left, right}, err
	case *logql.Matcher:
		return (*matchFilter)(p), nil
	case *logql.Compare:
		return (*compareFilter)(p), nil
	}
	c := p.(*logql.IPCompare)
	within, err := newIPRange(c.Range)
	return &ipFilter{c, within}, err
}

type both struct{ left, right stage }

func (b *both) run(r *Record) bool { return b.left.run(r) && b.right.run(r) }

type either struct{ left, right stage }

func (e *either) run(r *Record) bool { return e.left.run(r) || e.right.run(r) }

type matchFilter logql.Matcher

func (f *matchFilter) run(r *Record) bool {
	value, _ := r.Value(f.Name)
	return (*logql.Matcher)(f).Matches(value)
}

type compareFilter logql.Compare

// run keeps a line whose label is no number, with an error, and drops one that does not have the label.
func (f *compareFilter) run(r *Record) bool {
	text, ok := r.Value(f.Name)
	if !ok {
		return false
	}
	value, err := measure(f.Measure, text)
	if err != nil {
		r.Fail(errLabelFilter, err.Error())
		return true
	}
	return logql.Holds(f.Op, value, f.Value)
}

// measure reads a label's value; a duration is seconds.
func measure(m logql.Measure, text string) (float64, error) {
	switch m {
	case logql.Duration:
		d, err := time.ParseDuration(text)
		return d.Seconds(), err
	case logql.Bytes:
		return logql.ParseBytes(text)
	}
	return strconv.ParseFloat(text, 64)
}

type ipFilter struct {
	c      *logql.IPCompare
	within *ipRange
}

func (f *ipFilter) run(r *Record) bool {
	text, ok := r.Value(f.c.Name)
	if !ok {
		return false
	}
	in, _ := f.within.contains(text)
	if !in {
		in = f.within.inLine(text)
	}
	return in == (f.c.Op == "=")
}
