package selection

import (
	"context"
	"fmt"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottldatapoint"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottllog"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottlspan"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/journal"
)

// MarkAttribute names the replay that an item came by.
const MarkAttribute = "penstock.replay.id"

// ItemSettings say what to keep of a record. The zero value keeps all.
type ItemSettings struct {
	// Within says whether an event time is in the range; nil: all are. Data points count by their time, log records by
	// theirs or else the observed one, spans by their end. Items without a time are kept.
	Within func(time.Time) bool
	// Condition is an OTTL condition; empty: none. Items for which it can't be evaluated are left out.
	Condition string
	// Mark is the value of MarkAttribute; empty: none.
	Mark string
}

// Items takes out of decoded records what is not wanted. It is safe for concurrent use.
type Items struct {
	within func(time.Time) bool
	mark   string

	point *ottl.Condition[*ottldatapoint.TransformContext]
	log   *ottl.Condition[*ottllog.TransformContext]
	span  *ottl.Condition[*ottlspan.TransformContext]
}

// NewItems compiles s for items of signal. The error is meant for who wrote the condition.
func NewItems(signal journal.Signal, s ItemSettings, set component.TelemetrySettings) (*Items, error) {
	it := &Items{within: s.Within, mark: s.Mark}
	if s.Condition == "" {
		return it, nil
	}
	var err error
	switch signal {
	case journal.Metrics:
		it.point, err = compile(s.Condition, set, ottldatapoint.NewParser, ottldatapoint.EnablePathContextNames())
	case journal.Logs:
		it.log, err = compile(s.Condition, set, ottllog.NewParser, ottllog.EnablePathContextNames())
	case journal.Traces:
		it.span, err = compile(s.Condition, set, ottlspan.NewParser, ottlspan.EnablePathContextNames())
	}
	if err != nil {
		return nil, fmt.Errorf("condition: %w", err)
	}
	return it, nil
}

type newParser[K any] func(map[string]ottl.Factory[K], component.TelemetrySettings, ...ottl.Option[K]) (ottl.Parser[K], error)

func compile[K any](text string, set component.TelemetrySettings, parser newParser[K], opts ...ottl.Option[K]) (*ottl.Condition[K], error) {
	p, err := parser(ottlfuncs.StandardConverters[K](), set, opts...)
	if err != nil {
		return nil, err
	}
	return p.ParseCondition(text)
}

// All says whether every item is kept as it is.
func (it *Items) All() bool {
	return it.within == nil && it.mark == "" && it.point == nil && it.log == nil && it.span == nil
}

// Conditional says whether items are told apart by more than their times.
func (it *Items) Conditional() bool { return it.point != nil || it.log != nil || it.span != nil }

// keep decides about one item: its time, and its condition, which is evaluated only where the time is right.
func (it *Items) keep(times [2]pcommon.Timestamp, condition func() (bool, error)) bool {
	if it.within != nil {
		t := times[0]
		if t == 0 {
			t = times[1]
		}
		if t != 0 && !it.within(t.AsTime()) {
			return false
		}
	}
	ok, err := condition()
	return ok && err == nil
}

// Counted is how many items were kept and how many left out.
type Counted struct{ Kept, Left int }

func (c *Counted) count(kept bool) (remove bool) {
	if kept {
		c.Kept++
	} else {
		c.Left++
	}
	return !kept
}

// Apply takes out of payload (pmetric.Metrics, plog.Logs or ptrace.Traces) what is not wanted, and marks the rest.
func (it *Items) Apply(ctx context.Context, payload any) (c Counted) {
	switch p := payload.(type) {
	case pmetric.Metrics:
		if it.All() {
			return Counted{Kept: p.DataPointCount()}
		}
		it.metrics(ctx, p, &c)
	case plog.Logs:
		if it.All() {
			return Counted{Kept: p.LogRecordCount()}
		}
		it.logs(ctx, p, &c)
	case ptrace.Traces:
		if it.All() {
			return Counted{Kept: p.SpanCount()}
		}
		it.traces(ctx, p, &c)
	}
	return c
}

func (it *Items) metrics(ctx context.Context, md pmetric.Metrics, c *Counted) {
	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		rm.ScopeMetrics().RemoveIf(func(sm pmetric.ScopeMetrics) bool {
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool {
				w := points{it: it, ctx: ctx, rm: rm, sm: sm, m: m, c: c}
				return w.left() == 0
			})
			return sm.Metrics().Len() == 0
		})
		return rm.ScopeMetrics().Len() == 0
	})
}

// points goes through the data points of one metric.
type points struct {
	it  *Items
	ctx context.Context
	rm  pmetric.ResourceMetrics
	sm  pmetric.ScopeMetrics
	m   pmetric.Metric
	c   *Counted
}

// point is what all kinds of data points have.
type point interface {
	Timestamp() pcommon.Timestamp
	Attributes() pcommon.Map
}

func (w *points) remove(p point) bool {
	kept := w.it.keep([2]pcommon.Timestamp{p.Timestamp()}, func() (bool, error) {
		if w.it.point == nil {
			return true, nil
		}
		tc := ottldatapoint.NewTransformContextPtr(w.rm, w.sm, w.m, p)
		defer tc.Close()
		return w.it.point.Eval(w.ctx, tc)
	})
	if kept && w.it.mark != "" {
		p.Attributes().PutStr(MarkAttribute, w.it.mark)
	}
	return w.c.count(kept)
}

// left removes what is not wanted and returns how many points are left.
func (w *points) left() int {
	switch m := w.m; m.Type() {
	case pmetric.MetricTypeGauge:
		m.Gauge().DataPoints().RemoveIf(func(p pmetric.NumberDataPoint) bool { return w.remove(p) })
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		m.Sum().DataPoints().RemoveIf(func(p pmetric.NumberDataPoint) bool { return w.remove(p) })
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		m.Histogram().DataPoints().RemoveIf(func(p pmetric.HistogramDataPoint) bool { return w.remove(p) })
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		m.ExponentialHistogram().DataPoints().RemoveIf(func(p pmetric.ExponentialHistogramDataPoint) bool { return w.remove(p) })
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		m.Summary().DataPoints().RemoveIf(func(p pmetric.SummaryDataPoint) bool { return w.remove(p) })
		return m.Summary().DataPoints().Len()
	}
	return 0
}

func (it *Items) logs(ctx context.Context, ld plog.Logs, c *Counted) {
	ld.ResourceLogs().RemoveIf(func(rl plog.ResourceLogs) bool {
		rl.ScopeLogs().RemoveIf(func(sl plog.ScopeLogs) bool {
			sl.LogRecords().RemoveIf(func(l plog.LogRecord) bool {
				kept := it.keep([2]pcommon.Timestamp{l.Timestamp(), l.ObservedTimestamp()}, func() (bool, error) {
					if it.log == nil {
						return true, nil
					}
					tc := ottllog.NewTransformContextPtr(rl, sl, l)
					defer tc.Close()
					return it.log.Eval(ctx, tc)
				})
				if kept && it.mark != "" {
					l.Attributes().PutStr(MarkAttribute, it.mark)
				}
				return c.count(kept)
			})
			return sl.LogRecords().Len() == 0
		})
		return rl.ScopeLogs().Len() == 0
	})
}

func (it *Items) traces(ctx context.Context, td ptrace.Traces, c *Counted) {
	td.ResourceSpans().RemoveIf(func(rs ptrace.ResourceSpans) bool {
		rs.ScopeSpans().RemoveIf(func(ss ptrace.ScopeSpans) bool {
			ss.Spans().RemoveIf(func(s ptrace.Span) bool {
				kept := it.keep([2]pcommon.Timestamp{s.EndTimestamp()}, func() (bool, error) {
					if it.span == nil {
						return true, nil
					}
					tc := ottlspan.NewTransformContextPtr(rs, ss, s)
					defer tc.Close()
					return it.span.Eval(ctx, tc)
				})
				if kept && it.mark != "" {
					s.Attributes().PutStr(MarkAttribute, it.mark)
				}
				return c.count(kept)
			})
			return ss.Spans().Len() == 0
		})
		return rs.ScopeSpans().Len() == 0
	})
}
