package rows_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/columnar"
)

// Whatever OTLP can say comes back from the files: random batches are written, read with the reader of read_test.go and compared,
// record by record, in their wire form.

const batches = 300

func generators(t *testing.T, run func(t *testing.T, r random)) {
	for seed := range uint64(batches) {
		run(t, random{rand.New(rand.NewPCG(seed, 1)), t, 1})
	}
	// Larger than the chunks in which columns are encoded, so that memory is used again.
	run(t, random{rand.New(rand.NewPCG(1, 2)), t, 5 * columnar.ChunkRows / 20})
	run(t, random{rand.New(rand.NewPCG(2, 2)), t, 5 * columnar.ChunkRows / 20})
}

type writer interface {
	Write(io.Writer, rows.Partition) error
}

func read(t *testing.T, e writer, plan *rows.Plan) (out []record) {
	t.Helper()
	for _, p := range plan.Partitions {
		var buf bytes.Buffer
		require.NoError(t, e.Write(&buf, p))
		rs := readRows(t, buf.Bytes())
		require.Len(t, rs, p.Rows)
		for i := range rs { // sorted as the footer says
			if i > 0 {
				require.LessOrEqual(t, rs[i-1].raw("service_name"), rs[i].raw("service_name"))
			}
		}
		out = append(out, rs...)
	}
	return out
}

func TestLogsComeBackEqual(t *testing.T) {
	e := rows.NewLogs()
	generators(t, func(t *testing.T, r random) {
		ld := r.logs()
		var want, got []string
		for _, rl := range ld.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, lr := range sl.LogRecords().All() {
					one := plog.NewLogs()
					to := one.ResourceLogs().AppendEmpty()
					rl.Resource().CopyTo(to.Resource())
					to.SetSchemaUrl(rl.SchemaUrl())
					ts := to.ScopeLogs().AppendEmpty()
					sl.Scope().CopyTo(ts.Scope())
					ts.SetSchemaUrl(sl.SchemaUrl())
					lr.CopyTo(ts.LogRecords().AppendEmpty())
					want = append(want, logItem(t, one))
				}
			}
		}
		for _, r := range read(t, e, e.Split(ld, "", 4)) {
			got = append(got, logItem(t, r.log()))
		}
		sameItems(t, want, got)
	})
}

func (r record) log() plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	r.resource(rl.Resource())
	rl.SetSchemaUrl(r.str("resource_schema_url"))
	sl := rl.ScopeLogs().AppendEmpty()
	r.scope(sl.Scope())
	sl.SetSchemaUrl(r.str("scope_schema_url"))
	lr := sl.LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.Timestamp(r.int("time_unix_nano")))
	lr.SetObservedTimestamp(pcommon.Timestamp(r.int("observed_time_unix_nano")))
	if lr.Timestamp() != 0 {
		r.checkTime("time", r.int("time_unix_nano"))
	} else {
		r.checkTime("time", r.int("observed_time_unix_nano"))
	}
	lr.SetSeverityNumber(plog.SeverityNumber(r.int("severity_number")))
	lr.SetSeverityText(r.str("severity_text"))
	lr.SetEventName(r.str("event_name"))
	letter := byte('s')
	if r.has("body_type") {
		letter = r.raw("body_type")[0]
	}
	if letter == 'x' {
		v, _ := r.exact.Get("body")
		v.CopyTo(lr.Body())
	} else {
		decodeText(r.t, letter, r.raw("body"), lr.Body())
	}
	traceID, spanID := pcommon.TraceID{}, pcommon.SpanID{}
	r.id("trace_id", traceID[:])
	r.id("span_id", spanID[:])
	lr.SetTraceID(traceID)
	lr.SetSpanID(spanID)
	lr.SetFlags(plog.LogRecordFlags(r.int("flags")))
	r.recordAttributes(lr.Attributes())
	lr.SetDroppedAttributesCount(uint32(r.int("dropped_attributes_count")))
	return ld
}

func logItem(t *testing.T, ld plog.Logs) string {
	t.Helper()
	rl := ld.ResourceLogs().At(0)
	sortMap(rl.Resource().Attributes())
	sortMap(rl.ScopeLogs().At(0).Scope().Attributes())
	sortMap(rl.ScopeLogs().At(0).LogRecords().At(0).Attributes())
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	return string(b)
}

func TestTracesComeBackEqual(t *testing.T) {
	e := rows.NewTraces()
	generators(t, func(t *testing.T, r random) {
		td := r.traces()
		var want, got []string
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					one := ptrace.NewTraces()
					to := one.ResourceSpans().AppendEmpty()
					rs.Resource().CopyTo(to.Resource())
					to.SetSchemaUrl(rs.SchemaUrl())
					ts := to.ScopeSpans().AppendEmpty()
					ss.Scope().CopyTo(ts.Scope())
					ts.SetSchemaUrl(ss.SchemaUrl())
					s.CopyTo(ts.Spans().AppendEmpty())
					want = append(want, spanItem(t, one))
				}
			}
		}
		for _, r := range read(t, e, e.Split(td, "", 4)) {
			got = append(got, spanItem(t, r.span()))
		}
		sameItems(t, want, got)
	})
}

func (r record) span() ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	r.resource(rs.Resource())
	rs.SetSchemaUrl(r.str("resource_schema_url"))
	ss := rs.ScopeSpans().AppendEmpty()
	r.scope(ss.Scope())
	ss.SetSchemaUrl(r.str("scope_schema_url"))
	s := ss.Spans().AppendEmpty()
	r.checkTime("time", r.int("start_time_unix_nano"))
	s.SetStartTimestamp(pcommon.Timestamp(r.int("start_time_unix_nano")))
	s.SetEndTimestamp(pcommon.Timestamp(r.int("start_time_unix_nano") + r.int("duration_nano")))
	traceID, spanID, parentID := pcommon.TraceID{}, pcommon.SpanID{}, pcommon.SpanID{}
	r.id("trace_id", traceID[:])
	r.id("span_id", spanID[:])
	r.id("parent_span_id", parentID[:])
	s.SetTraceID(traceID)
	s.SetSpanID(spanID)
	s.SetParentSpanID(parentID)
	s.TraceState().FromRaw(r.str("trace_state"))
	s.SetName(r.str("name"))
	s.SetKind(ptrace.SpanKind(r.enum("kind", "unspecified", "internal", "server", "client", "producer", "consumer")))
	s.Status().SetCode(ptrace.StatusCode(r.enum("status_code", "unset", "ok", "error")))
	s.Status().SetMessage(r.str("status_message"))
	s.SetFlags(uint32(r.int("flags")))
	r.recordAttributes(s.Attributes())
	s.SetDroppedAttributesCount(uint32(r.int("dropped_attributes_count")))
	s.SetDroppedEventsCount(uint32(r.int("dropped_events_count")))
	s.SetDroppedLinksCount(uint32(r.int("dropped_links_count")))
	for _, el := range r.list("events") {
		e := s.Events().AppendEmpty()
		el.checkTime("time", el.int("time_unix_nano"))
		e.SetTimestamp(pcommon.Timestamp(el.int("time_unix_nano")))
		e.SetName(el.str("name"))
		el.attributes("attributes", e.Attributes())
		e.SetDroppedAttributesCount(uint32(el.int("dropped_attributes_count")))
	}
	for _, el := range r.list("links") {
		l := s.Links().AppendEmpty()
		traceID, spanID := pcommon.TraceID{}, pcommon.SpanID{}
		el.id("trace_id", traceID[:])
		el.id("span_id", spanID[:])
		l.SetTraceID(traceID)
		l.SetSpanID(spanID)
		l.TraceState().FromRaw(el.str("trace_state"))
		l.SetFlags(uint32(el.int("flags")))
		el.attributes("attributes", l.Attributes())
		l.SetDroppedAttributesCount(uint32(el.int("dropped_attributes_count")))
	}
	return td
}

func spanItem(t *testing.T, td ptrace.Traces) string {
	t.Helper()
	rs := td.ResourceSpans().At(0)
	sortMap(rs.Resource().Attributes())
	sortMap(rs.ScopeSpans().At(0).Scope().Attributes())
	s := rs.ScopeSpans().At(0).Spans().At(0)
	sortMap(s.Attributes())
	for _, e := range s.Events().All() {
		sortMap(e.Attributes())
	}
	for _, l := range s.Links().All() {
		sortMap(l.Attributes())
	}
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	require.NoError(t, err)
	return string(b)
}

func TestMetricsComeBackEqual(t *testing.T) {
	e := rows.NewMetrics()
	generators(t, func(t *testing.T, r random) {
		md := r.metrics()
		var want, got []string
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					eachPoint(m, func(point pmetric.Metric) {
						one := pmetric.NewMetrics()
						to := one.ResourceMetrics().AppendEmpty()
						rm.Resource().CopyTo(to.Resource())
						to.SetSchemaUrl(rm.SchemaUrl())
						ts := to.ScopeMetrics().AppendEmpty()
						sm.Scope().CopyTo(ts.Scope())
						ts.SetSchemaUrl(sm.SchemaUrl())
						point.CopyTo(ts.Metrics().AppendEmpty())
						want = append(want, metricItem(t, one))
					})
				}
			}
		}
		for _, r := range read(t, e, e.Split(md, "", 4)) {
			got = append(got, metricItem(t, r.metrics()))
		}
		sameItems(t, want, got)
	})
}

// eachPoint calls f with copies of m that hold one data point each.
func eachPoint(m pmetric.Metric, f func(pmetric.Metric)) {
	n := map[pmetric.MetricType]func() int{
		pmetric.MetricTypeGauge:                func() int { return m.Gauge().DataPoints().Len() },
		pmetric.MetricTypeSum:                  func() int { return m.Sum().DataPoints().Len() },
		pmetric.MetricTypeHistogram:            func() int { return m.Histogram().DataPoints().Len() },
		pmetric.MetricTypeExponentialHistogram: func() int { return m.ExponentialHistogram().DataPoints().Len() },
		pmetric.MetricTypeSummary:              func() int { return m.Summary().DataPoints().Len() },
	}[m.Type()]()
	for i := range n {
		one := pmetric.NewMetric()
		m.CopyTo(one)
		at := -1
		switch m.Type() {
		case pmetric.MetricTypeGauge:
			one.Gauge().DataPoints().RemoveIf(func(pmetric.NumberDataPoint) bool { at++; return at != i })
		case pmetric.MetricTypeSum:
			one.Sum().DataPoints().RemoveIf(func(pmetric.NumberDataPoint) bool { at++; return at != i })
		case pmetric.MetricTypeHistogram:
			one.Histogram().DataPoints().RemoveIf(func(pmetric.HistogramDataPoint) bool { at++; return at != i })
		case pmetric.MetricTypeExponentialHistogram:
			one.ExponentialHistogram().DataPoints().RemoveIf(func(pmetric.ExponentialHistogramDataPoint) bool { at++; return at != i })
		case pmetric.MetricTypeSummary:
			one.Summary().DataPoints().RemoveIf(func(pmetric.SummaryDataPoint) bool { at++; return at != i })
		}
		f(one)
	}
}

func (r record) metrics() pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	r.resource(rm.Resource())
	rm.SetSchemaUrl(r.str("resource_schema_url"))
	sm := rm.ScopeMetrics().AppendEmpty()
	r.scope(sm.Scope())
	sm.SetSchemaUrl(r.str("scope_schema_url"))
	m := sm.Metrics().AppendEmpty()
	m.SetName(r.str("metric_name"))
	m.SetDescription(r.str("metric_description"))
	m.SetUnit(r.str("metric_unit"))
	r.attributes("metric_metadata", m.Metadata())
	temporality := func() pmetric.AggregationTemporality {
		return pmetric.AggregationTemporality(r.enum("temporality", "unspecified", "delta", "cumulative"))
	}
	switch r.raw("metric_type") {
	case "gauge":
		r.number(m.SetEmptyGauge().DataPoints().AppendEmpty())
	case "sum":
		m.SetEmptySum().SetAggregationTemporality(temporality())
		m.Sum().SetIsMonotonic(r.cols["is_monotonic"].(*array.Boolean).Value(r.i))
		r.number(m.Sum().DataPoints().AppendEmpty())
	case "histogram":
		m.SetEmptyHistogram().SetAggregationTemporality(temporality())
		dp := m.Histogram().DataPoints().AppendEmpty()
		r.point(dp)
		dp.SetCount(uint64(r.int("count")))
		r.optional("sum", dp.SetSum)
		r.optional("min", dp.SetMin)
		r.optional("max", dp.SetMax)
		dp.BucketCounts().FromRaw(r.ints("bucket_counts"))
		dp.ExplicitBounds().FromRaw(r.floats("explicit_bounds"))
		r.exemplars(dp.Exemplars())
	case "exponential_histogram":
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(temporality())
		dp := m.ExponentialHistogram().DataPoints().AppendEmpty()
		r.point(dp)
		dp.SetCount(uint64(r.int("count")))
		r.optional("sum", dp.SetSum)
		r.optional("min", dp.SetMin)
		r.optional("max", dp.SetMax)
		dp.SetScale(int32(r.int("scale")))
		dp.SetZeroCount(uint64(r.int("zero_count")))
		dp.SetZeroThreshold(r.float("zero_threshold"))
		dp.Positive().SetOffset(int32(r.int("positive_offset")))
		dp.Positive().BucketCounts().FromRaw(r.ints("positive_bucket_counts"))
		dp.Negative().SetOffset(int32(r.int("negative_offset")))
		dp.Negative().BucketCounts().FromRaw(r.ints("negative_bucket_counts"))
		r.exemplars(dp.Exemplars())
	case "summary":
		dp := m.SetEmptySummary().DataPoints().AppendEmpty()
		r.point(dp)
		dp.SetCount(uint64(r.int("count")))
		dp.SetSum(r.float("sum"))
		for _, el := range r.list("quantiles") {
			q := dp.QuantileValues().AppendEmpty()
			q.SetQuantile(el.float("quantile"))
			q.SetValue(el.float("value"))
		}
	default:
		r.t.Fatalf("metric_type %q", r.raw("metric_type"))
	}
	return md
}

func (r record) point(dp settablePoint) {
	r.checkTime("time", r.int("time_unix_nano"))
	dp.SetTimestamp(pcommon.Timestamp(r.int("time_unix_nano")))
	dp.SetStartTimestamp(pcommon.Timestamp(r.int("start_time_unix_nano")))
	dp.SetFlags(pmetric.DataPointFlags(r.int("flags")))
	r.recordAttributes(dp.Attributes())
}

func (r record) optional(col string, set func(float64)) {
	if r.has(col) {
		set(r.float(col))
	}
}

func (r record) number(dp pmetric.NumberDataPoint) {
	r.point(dp)
	switch {
	case r.has("value_int"):
		dp.SetIntValue(r.int("value_int"))
	case r.has("value"):
		dp.SetDoubleValue(r.float("value"))
	}
	r.exemplars(dp.Exemplars())
}

func (r record) exemplars(to pmetric.ExemplarSlice) {
	for _, el := range r.list("exemplars") {
		e := to.AppendEmpty()
		el.checkTime("time", el.int("time_unix_nano"))
		e.SetTimestamp(pcommon.Timestamp(el.int("time_unix_nano")))
		switch {
		case el.has("value_int"):
			e.SetIntValue(el.int("value_int"))
		case el.has("value"):
			e.SetDoubleValue(el.float("value"))
		}
		traceID, spanID := pcommon.TraceID{}, pcommon.SpanID{}
		el.id("trace_id", traceID[:])
		el.id("span_id", spanID[:])
		e.SetTraceID(traceID)
		e.SetSpanID(spanID)
		el.attributes("attributes", e.FilteredAttributes())
	}
}

func metricItem(t *testing.T, md pmetric.Metrics) string {
	t.Helper()
	rm := md.ResourceMetrics().At(0)
	sortMap(rm.Resource().Attributes())
	sortMap(rm.ScopeMetrics().At(0).Scope().Attributes())
	m := rm.ScopeMetrics().At(0).Metrics().At(0)
	sortMap(m.Metadata())
	sortExemplars := func(es pmetric.ExemplarSlice) {
		for _, e := range es.All() {
			sortMap(e.FilteredAttributes())
		}
	}
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		sortMap(m.Gauge().DataPoints().At(0).Attributes())
		sortExemplars(m.Gauge().DataPoints().At(0).Exemplars())
	case pmetric.MetricTypeSum:
		sortMap(m.Sum().DataPoints().At(0).Attributes())
		sortExemplars(m.Sum().DataPoints().At(0).Exemplars())
	case pmetric.MetricTypeHistogram:
		sortMap(m.Histogram().DataPoints().At(0).Attributes())
		sortExemplars(m.Histogram().DataPoints().At(0).Exemplars())
	case pmetric.MetricTypeExponentialHistogram:
		sortMap(m.ExponentialHistogram().DataPoints().At(0).Attributes())
		sortExemplars(m.ExponentialHistogram().DataPoints().At(0).Exemplars())
	case pmetric.MetricTypeSummary:
		sortMap(m.Summary().DataPoints().At(0).Attributes())
	}
	b, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	require.NoError(t, err)
	return string(b)
}
