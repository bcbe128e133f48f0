package selection_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/ottlcondition"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/selection"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestRecords(t *testing.T) {
	record := journal.Record{Tenant: "acme", Key: "acme\x00eu\x00check/out\x003"}
	headers := map[string]string{"penstock-reason": "refused: never", "penstock-topic": "p.logs"}
	for name, c := range map[string]struct {
		s    selection.Records
		want bool
	}{
		"all":                       {selection.Records{}, true},
		"from is in":                {selection.Records{From: noon}, true},
		"to is not":                 {selection.Records{To: noon}, false},
		"too old":                   {selection.Records{From: noon.Add(1)}, false},
		"one of the tenants":        {selection.Records{Tenants: []string{"b", "acme"}}, true},
		"none of the tenants":       {selection.Records{Tenants: []string{"b"}}, false},
		"key by parts":              {selection.Records{Keys: []string{"*/*/check*"}}, true},
		"key, the whole of it":      {selection.Records{Keys: []string{"acme/eu/check?out/3"}}, true},
		"key with more parts":       {selection.Records{Keys: []string{"acme/eu/*/3/4"}}, false},
		"another key":               {selection.Records{Keys: []string{"*/us"}}, false},
		"header":                    {selection.Records{Headers: map[string]string{"penstock-reason": "refused*"}}, true},
		"a header it has not":       {selection.Records{Headers: map[string]string{"x": "*"}}, false},
		"all headers must be right": {selection.Records{Headers: map[string]string{"penstock-reason": "*", "penstock-topic": "p.traces"}}, false},
		"a letter of this topic":    {selection.Records{Topic: "p.logs"}, true},
		"a letter of another topic": {selection.Records{Topic: "p.metrics"}, false},
	} {
		got := c.s.Match(&record, noon, func(h string) (string, bool) { v, ok := headers[h]; return v, ok })
		assert.Equal(t, c.want, got, name)
	}
}

func within(from, to int) func(time.Time) bool {
	return func(t time.Time) bool { return !t.Before(at(from)) && t.Before(at(to)) }
}

func at(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }

func stamp(minute int) pcommon.Timestamp { return pcommon.NewTimestampFromTime(at(minute)) }

// metrics has one point of each kind at every minute from 0 to 9.
func metrics() pmetric.Metrics {
	md := pmetric.NewMetrics()
	ms := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	gauge, sum, hist, expo, summary := ms.AppendEmpty(), ms.AppendEmpty(), ms.AppendEmpty(), ms.AppendEmpty(), ms.AppendEmpty()
	gauge.SetName("gauge")
	for i := range 10 {
		dp := gaugeOf(gauge).AppendEmpty()
		dp.SetTimestamp(stamp(i))
		dp.SetIntValue(int64(i))
		sumOf(sum).AppendEmpty().SetTimestamp(stamp(i))
		histOf(hist).AppendEmpty().SetTimestamp(stamp(i))
		expoOf(expo).AppendEmpty().SetTimestamp(stamp(i))
		summaryOf(summary).AppendEmpty().SetTimestamp(stamp(i))
	}
	return md
}

func gaugeOf(m pmetric.Metric) pmetric.NumberDataPointSlice {
	if m.Type() == pmetric.MetricTypeEmpty {
		m.SetEmptyGauge()
	}
	return m.Gauge().DataPoints()
}

func sumOf(m pmetric.Metric) pmetric.NumberDataPointSlice {
	if m.Type() == pmetric.MetricTypeEmpty {
		m.SetEmptySum()
	}
	return m.Sum().DataPoints()
}

func histOf(m pmetric.Metric) pmetric.HistogramDataPointSlice {
	if m.Type() == pmetric.MetricTypeEmpty {
		m.SetEmptyHistogram()
	}
	return m.Histogram().DataPoints()
}

func expoOf(m pmetric.Metric) pmetric.ExponentialHistogramDataPointSlice {
	if m.Type() == pmetric.MetricTypeEmpty {
		m.SetEmptyExponentialHistogram()
	}
	return m.ExponentialHistogram().DataPoints()
}

func summaryOf(m pmetric.Metric) pmetric.SummaryDataPointSlice {
	if m.Type() == pmetric.MetricTypeEmpty {
		m.SetEmptySummary()
	}
	return m.Summary().DataPoints()
}

func items(t *testing.T, signal journal.Signal, condition string, s selection.ItemSettings) *selection.Items {
	t.Helper()
	var err error
	s.Conditions, err = ottlcondition.Compile(signal, condition, componenttest.NewNopTelemetrySettings())
	require.NoError(t, err)
	return selection.NewItems(s)
}

func TestPointsOutsideTheRangeGo(t *testing.T) {
	md := metrics()
	c := items(t, journal.Metrics, "", selection.ItemSettings{Within: within(2, 5)}).Apply(t.Context(), md)
	assert.Equal(t, selection.Counted{Kept: 15, Left: 35}, c)
	assert.Equal(t, 15, md.DataPointCount())
}

func TestNothingIsLeftOfWhatHasNothingInTheRange(t *testing.T) {
	md := metrics()
	c := items(t, journal.Metrics, "", selection.ItemSettings{Within: within(20, 25)}).Apply(t.Context(), md)
	assert.Equal(t, selection.Counted{Left: 50}, c)
	assert.Zero(t, md.ResourceMetrics().Len())
}

func TestAConditionOnPointsAndAMark(t *testing.T) {
	md := metrics()
	c := items(t, journal.Metrics, `metric.name == "gauge" and datapoint.value_int >= 7`, selection.ItemSettings{Mark: "r"}).Apply(t.Context(), md)
	assert.Equal(t, 3, c.Kept)
	mark, _ := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().At(0).Attributes().Get(selection.MarkAttribute)
	assert.Equal(t, "r", mark.AsString())
}

func TestLogsCountByTheirTimeElseTheObservedOne(t *testing.T) {
	ld := plog.NewLogs()
	ls := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	a, b, none := ls.AppendEmpty(), ls.AppendEmpty(), ls.AppendEmpty()
	a.SetTimestamp(stamp(9))
	a.SetObservedTimestamp(stamp(3))
	b.SetObservedTimestamp(stamp(3))
	none.Body().SetStr("kept: it has no time to tell it by")
	c := items(t, journal.Logs, "", selection.ItemSettings{Within: within(2, 5)}).Apply(t.Context(), ld)
	assert.Equal(t, selection.Counted{Kept: 2, Left: 1}, c)
}

func TestSpansByTheirEnd(t *testing.T) {
	td := ptrace.NewTraces()
	ss := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for i, name := range []string{"GET", "POST", "GET"} {
		s := ss.AppendEmpty()
		s.SetName(name)
		s.SetEndTimestamp(stamp(i))
	}
	c := items(t, journal.Traces, `span.name == "GET"`, selection.ItemSettings{Within: within(1, 5)}).Apply(t.Context(), td)
	assert.Equal(t, selection.Counted{Kept: 1, Left: 2}, c)
}
