package database

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/querylimit"
)

// boundedEngine refuses queries whose subqueries multiply to more than maxSteps points for each series. The engine checks for cancellation only
// between two series, so this bounds how long a canceled query continues.
type boundedEngine struct {
	*promql.Engine
	parser   parser.Parser
	interval time.Duration // of subqueries without a resolution
	maxSteps int
	refused  func(querylimit.Reason)
}

var _ promql.QueryEngine = (*boundedEngine)(nil)

func (s Settings) boundedEngine(e *promql.Engine) *boundedEngine {
	return &boundedEngine{Engine: e, parser: s.boundedParser(), interval: s.EvaluationInterval, maxSteps: s.QueryMaxSteps, refused: s.RefusedQuery}
}

func (b *boundedEngine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string, ts time.Time) (promql.Query, error) {
	if err := b.check(text, 1); err != nil {
		return nil, err
	}
	return b.Engine.NewInstantQuery(ctx, q, opts, text, ts)
}

func (b *boundedEngine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, text string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	if err := b.check(text, points(end.Sub(start), interval)); err != nil {
		return nil, err
	}
	return b.Engine.NewRangeQuery(ctx, q, opts, text, start, end, interval)
}

func (b *boundedEngine) check(text string, steps float64) error {
	expr, err := b.parser.ParseExpr(text)
	if err != nil {
		return err
	}
	if b.visits(expr, steps) > float64(b.maxSteps) {
		b.refused(querylimit.Steps)
		return &querylimit.Error{Reason: querylimit.Steps, Limit: b.maxSteps}
	}
	return nil
}

// visits is the largest product of steps and the points of nested subqueries.
func (b *boundedEngine) visits(node parser.Node, steps float64) float64 {
	if sub, ok := node.(*parser.SubqueryExpr); ok {
		interval := sub.Step
		if interval == 0 {
			interval = b.interval
		}
		steps *= points(sub.Range, interval)
	}
	most := steps
	for child := range parser.ChildrenIter(node) {
		most = math.Max(most, b.visits(child, steps))
	}
	return most
}

// points is how many steps of interval a range has, at least one.
func points(whole, interval time.Duration) float64 {
	if interval <= 0 {
		return 1
	}
	return 1 + math.Max(0, float64(whole)/float64(interval))
}
