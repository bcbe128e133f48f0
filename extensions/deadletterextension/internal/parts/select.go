package parts

import (
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// items is a slice of pdata, as far as copying needs it.
type items[T any] interface {
	Len() int
	At(int) T
	AppendEmpty() T
}

// pick copies the selected items of src, whose first item has the number first, and returns the number after the last.
func pick[T interface{ CopyTo(T) }](src items[T], dst func() items[T], first int, s Selection) (next int) {
	in := s.within(first, src.Len())
	if len(in) > 0 {
		out := dst()
		for _, r := range in {
			for i := r.From; i < r.To; i++ {
				src.At(i).CopyTo(out.AppendEmpty())
			}
		}
	}
	return first + src.Len()
}

func selectLogs(src plog.Logs, s Selection) plog.Logs {
	out, n := plog.NewLogs(), 0
	for _, rl := range src.ResourceLogs().All() {
		resource := once(func() plog.ResourceLogs {
			to := out.ResourceLogs().AppendEmpty()
			rl.Resource().CopyTo(to.Resource())
			to.SetSchemaUrl(rl.SchemaUrl())
			return to
		})
		for _, sl := range rl.ScopeLogs().All() {
			n = pick(sl.LogRecords(), func() items[plog.LogRecord] {
				to := resource().ScopeLogs().AppendEmpty()
				sl.Scope().CopyTo(to.Scope())
				to.SetSchemaUrl(sl.SchemaUrl())
				return to.LogRecords()
			}, n, s)
		}
	}
	return out
}

func selectTraces(src ptrace.Traces, s Selection) ptrace.Traces {
	out, n := ptrace.NewTraces(), 0
	for _, rs := range src.ResourceSpans().All() {
		resource := once(func() ptrace.ResourceSpans {
			to := out.ResourceSpans().AppendEmpty()
			rs.Resource().CopyTo(to.Resource())
			to.SetSchemaUrl(rs.SchemaUrl())
			return to
		})
		for _, ss := range rs.ScopeSpans().All() {
			n = pick(ss.Spans(), func() items[ptrace.Span] {
				to := resource().ScopeSpans().AppendEmpty()
				ss.Scope().CopyTo(to.Scope())
				to.SetSchemaUrl(ss.SchemaUrl())
				return to.Spans()
			}, n, s)
		}
	}
	return out
}

func selectMetrics(src pmetric.Metrics, s Selection) pmetric.Metrics {
	out, n := pmetric.NewMetrics(), 0
	for _, rm := range src.ResourceMetrics().All() {
		resource := once(func() pmetric.ResourceMetrics {
			to := out.ResourceMetrics().AppendEmpty()
			rm.Resource().CopyTo(to.Resource())
			to.SetSchemaUrl(rm.SchemaUrl())
			return to
		})
		for _, sm := range rm.ScopeMetrics().All() {
			scope := once(func() pmetric.ScopeMetrics {
				to := resource().ScopeMetrics().AppendEmpty()
				sm.Scope().CopyTo(to.Scope())
				to.SetSchemaUrl(sm.SchemaUrl())
				return to
			})
			for _, m := range sm.Metrics().All() {
				n = pickPoints(m, scope, n, s)
			}
		}
	}
	return out
}

// pickPoints copies the selected points of m into a metric of the same description.
func pickPoints(m pmetric.Metric, scope func() pmetric.ScopeMetrics, n int, s Selection) int {
	like := func() pmetric.Metric {
		to := scope().Metrics().AppendEmpty()
		to.SetName(m.Name())
		to.SetDescription(m.Description())
		to.SetUnit(m.Unit())
		m.Metadata().CopyTo(to.Metadata())
		return to
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return pick(m.Gauge().DataPoints(), func() items[pmetric.NumberDataPoint] { return like().SetEmptyGauge().DataPoints() }, n, s)
	case pmetric.MetricTypeSum:
		return pick(m.Sum().DataPoints(), func() items[pmetric.NumberDataPoint] {
			to := like().SetEmptySum()
			to.SetIsMonotonic(m.Sum().IsMonotonic())
			to.SetAggregationTemporality(m.Sum().AggregationTemporality())
			return to.DataPoints()
		}, n, s)
	case pmetric.MetricTypeHistogram:
		return pick(m.Histogram().DataPoints(), func() items[pmetric.HistogramDataPoint] {
			to := like().SetEmptyHistogram()
			to.SetAggregationTemporality(m.Histogram().AggregationTemporality())
			return to.DataPoints()
		}, n, s)
	case pmetric.MetricTypeExponentialHistogram:
		return pick(m.ExponentialHistogram().DataPoints(), func() items[pmetric.ExponentialHistogramDataPoint] {
			to := like().SetEmptyExponentialHistogram()
			to.SetAggregationTemporality(m.ExponentialHistogram().AggregationTemporality())
			return to.DataPoints()
		}, n, s)
	case pmetric.MetricTypeSummary:
		return pick(m.Summary().DataPoints(), func() items[pmetric.SummaryDataPoint] { return like().SetEmptySummary().DataPoints() }, n, s)
	case pmetric.MetricTypeEmpty:
	}
	return n
}

// once returns make's first result each time: containers without selected items are not created.
func once[T any](make func() T) func() T {
	var made *T
	return func() T {
		if made == nil {
			t := make()
			made = &t
		}
		return *made
	}
}
