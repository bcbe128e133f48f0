package database

import (
	"context"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/annotations"
)

// View restricts a request's reads to series with a label value. The zero value restricts nothing.
//
// It is enforced below PromQL, where series are selected, and not in the text of queries: whatever route a selector takes to the storage, the
// matcher applies.
type View struct{ Label, Value string }

type viewKey struct{}

// With returns a context in which requests are restricted to the view.
func (v View) With(ctx context.Context) context.Context { return context.WithValue(ctx, viewKey{}, v) }

func viewOf(ctx context.Context) (View, bool) {
	v, ok := ctx.Value(viewKey{}).(View)
	return v, ok && v.Label != ""
}

// confine adds the view's matcher.
func confine(ctx context.Context, ms []*labels.Matcher) []*labels.Matcher {
	v, ok := viewOf(ctx)
	if !ok {
		return ms
	}
	return append(ms[:len(ms):len(ms)], labels.MustNewMatcher(labels.MatchEqual, v.Label, v.Value))
}

// viewed is the storage as requests see it.
type viewed struct{ db *tsdb.DB }

var (
	_ storage.SampleAndChunkQueryable = viewed{}
	_ storage.ExemplarQueryable       = viewed{}
)

func (s viewed) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := s.db.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return querier{labelQuerier{q}, q}, nil
}

func (s viewed) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	q, err := s.db.ChunkQuerier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return chunkQuerier{labelQuerier{q}, q}, nil
}

func (s viewed) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	q, err := s.db.ExemplarQuerier(ctx)
	if err != nil {
		return nil, err
	}
	return exemplarQuerier{ctx, q}, nil
}

// labelQuerier is the common part of both kinds of queriers. It embeds nothing, so no method can bypass the view.
type labelQuerier struct{ q storage.LabelQuerier }

func (q labelQuerier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.q.LabelValues(ctx, name, hints, confine(ctx, ms)...)
}

func (q labelQuerier) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.q.LabelNames(ctx, hints, confine(ctx, ms)...)
}

func (q labelQuerier) Close() error { return q.q.Close() }

type querier struct {
	labelQuerier
	q storage.Querier
}

func (q querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	return q.q.Select(ctx, sorted, hints, confine(ctx, ms)...)
}

type chunkQuerier struct {
	labelQuerier
	q storage.ChunkQuerier
}

func (q chunkQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	return q.q.Select(ctx, sorted, hints, confine(ctx, ms)...)
}

type exemplarQuerier struct {
	ctx context.Context // of the request that the querier is for
	q   storage.ExemplarQuerier
}

func (q exemplarQuerier) Select(start, end int64, sets ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	confined := make([][]*labels.Matcher, len(sets))
	for i, ms := range sets {
		confined[i] = confine(q.ctx, ms)
	}
	return q.q.Select(start, end, confined...)
}
