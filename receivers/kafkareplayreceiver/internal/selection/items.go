package selection

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// MarkAttribute is the attribute with the id of the replay that delivered an item.
const MarkAttribute = "penstock.replay.id"

// ItemSettings select items of a record. The zero value keeps all.
type ItemSettings struct {
	// Within says whether an event time is in the range; nil: all are. Data points count by their time, log records by
	// theirs or else the observed one, spans by their end. Items without a time are kept.
	Within func(time.Time) bool
	// Conditions are evaluated for items whose time is in the range.
	Conditions Conditions
	// Mark is the value of MarkAttribute; empty: none.
	Mark string
}

// Conditions select items by more than their times; nil: all of that kind. They are called concurrently.
type Conditions struct {
	Point func(context.Context, pmetric.ResourceMetrics, pmetric.ScopeMetrics, pmetric.Metric, Point) bool
	Log   func(context.Context, plog.ResourceLogs, plog.ScopeLogs, plog.LogRecord) bool
	Span  func(context.Context, ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span) bool
}

// Items removes unwanted items from decoded records. It is safe for concurrent use.
type Items struct{ set ItemSettings }

// NewItems returns the Items for s.
func NewItems(s ItemSettings) *Items { return &Items{s} }

// All reports whether every item is kept unchanged.
func (it *Items) All() bool {
	return it.set.Within == nil && it.set.Mark == "" && !it.Conditional()
}

// Conditional reports whether items are selected by more than their times.
func (it *Items) Conditional() bool {
	return it.set.Conditions.Point != nil || it.set.Conditions.Log != nil || it.set.Conditions.Span != nil
}

// keep decides about one item: by its time, and then by its condition, which is evaluated only if the time is in the range.
func (it *Items) keep(times [2]pcommon.Timestamp, condition func() bool) bool {
	if it.set.Within != nil {
		t := times[0]
		if t == 0 {
			t = times[1]
		}
		if t != 0 && !it.set.Within(t.AsTime()) {
			return false
		}
	}
	return condition()
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

// Apply removes unwanted items from payload (pmetric.Metrics, plog.Logs or ptrace.Traces) and marks the rest.
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

// points filters the data points of one metric.
type points struct {
	it  *Items
	ctx context.Context
	rm  pmetric.ResourceMetrics
	sm  pmetric.ScopeMetrics
	m   pmetric.Metric
	c   *Counted
}

// Point is the common part of all kinds of data points.
type Point interface {
	Timestamp() pcommon.Timestamp
	Attributes() pcommon.Map
}

func (w *points) remove(p Point) bool {
	kept := w.it.keep([2]pcommon.Timestamp{p.Timestamp()}, func() bool {
		return w.it.set.Conditions.Point == nil || w.it.set.Conditions.Point(w.ctx, w.rm, w.sm, w.m, p)
	})
	if kept && w.it.set.Mark != "" {
		p.Attributes().PutStr(MarkAttribute, w.it.set.Mark)
	}
	return w.c.count(kept)
}

// left removes unwanted points and returns how many are left.
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
				kept := it.keep([2]pcommon.Timestamp{l.Timestamp(), l.ObservedTimestamp()}, func() bool {
					return it.set.Conditions.Log == nil || it.set.Conditions.Log(ctx, rl, sl, l)
				})
				if kept && it.set.Mark != "" {
					l.Attributes().PutStr(MarkAttribute, it.set.Mark)
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
				kept := it.keep([2]pcommon.Timestamp{s.EndTimestamp()}, func() bool {
					return it.set.Conditions.Span == nil || it.set.Conditions.Span(ctx, rs, ss, s)
				})
				if kept && it.set.Mark != "" {
					s.Attributes().PutStr(MarkAttribute, it.set.Mark)
				}
				return c.count(kept)
			})
			return ss.Spans().Len() == 0
		})
		return rs.ScopeSpans().Len() == 0
	})
}
