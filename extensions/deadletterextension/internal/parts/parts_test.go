package parts_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/parts"
)

func ExampleDecode() {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, body := range []string{"a", "b", "c"} {
		records.AppendEmpty().Body().SetStr(body)
	}
	body, _ := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	batch, _ := parts.Decode(parts.Logs, body)
	part, _ := batch.Encode(parts.Range{From: 0, To: 1}, parts.Range{From: 2, To: 3})
	req := plogotlp.NewExportRequest()
	_ = req.UnmarshalProto(part)
	for _, r := range req.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		fmt.Print(r.Body().Str(), " ")
	}
	fmt.Println("of", batch.Items)
	// Output: a c of 3
}

func resource(r pcommon.Resource, i int) { r.Attributes().PutInt("resource", int64(i)) }

func scope(s pcommon.InstrumentationScope, i int) { s.SetName(fmt.Sprint("scope ", i)) }

// requests returns one request of each signal whose items are numbered.
func requests(t *testing.T) map[parts.Signal][]byte {
	t.Helper()
	logs, traces, metrics := plog.NewLogs(), ptrace.NewTraces(), pmetric.NewMetrics()
	n := int64(0)
	next := func() int64 { n++; return n - 1 }
	for r := range 3 {
		rl, rs := logs.ResourceLogs().AppendEmpty(), traces.ResourceSpans().AppendEmpty()
		resource(rl.Resource(), r)
		resource(rs.Resource(), r)
		rl.SetSchemaUrl("schema")
		for s := range r { // the first resource is empty
			sl, ss := rl.ScopeLogs().AppendEmpty(), rs.ScopeSpans().AppendEmpty()
			scope(sl.Scope(), s)
			scope(ss.Scope(), s)
			ss.SetSchemaUrl("schema")
			for range 3 {
				i := next()
				sl.LogRecords().AppendEmpty().Attributes().PutInt("item", i)
				ss.Spans().AppendEmpty().Attributes().PutInt("item", i)
			}
		}
	}
	n = 0
	for r := range 2 {
		rm := metrics.ResourceMetrics().AppendEmpty()
		resource(rm.Resource(), r)
		ms := rm.ScopeMetrics().AppendEmpty().Metrics()
		add := func(name string) pmetric.Metric {
			m := ms.AppendEmpty()
			m.SetName(name)
			m.SetUnit("By")
			m.SetDescription("d")
			m.Metadata().PutStr("k", "v")
			return m
		}
		ms.AppendEmpty().SetName("empty")
		gauge := add("gauge").SetEmptyGauge()
		sum := add("sum").SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		histogram := add("histogram").SetEmptyHistogram()
		histogram.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		exponential := add("exponential").SetEmptyExponentialHistogram()
		exponential.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		summary := add("summary").SetEmptySummary()
		for range 2 {
			gauge.DataPoints().AppendEmpty().Attributes().PutInt("item", next())
		}
		for range 2 {
			sum.DataPoints().AppendEmpty().Attributes().PutInt("item", next())
		}
		histogram.DataPoints().AppendEmpty().Attributes().PutInt("item", next())
		for range 2 {
			exponential.DataPoints().AppendEmpty().Attributes().PutInt("item", next())
		}
		summary.DataPoints().AppendEmpty().Attributes().PutInt("item", next())
	}
	out := map[parts.Signal][]byte{}
	var err error
	out[parts.Logs], err = plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	require.NoError(t, err)
	out[parts.Traces], err = ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	require.NoError(t, err)
	out[parts.Metrics], err = pmetricotlp.NewExportRequestFromMetrics(metrics).MarshalProto()
	require.NoError(t, err)
	return out
}

// itemsOf lists each item with all that it belongs to.
func itemsOf(t *testing.T, signal parts.Signal, body []byte) (all []string) {
	t.Helper()
	switch signal {
	case parts.Logs:
		req := plogotlp.NewExportRequest()
		require.NoError(t, req.UnmarshalProto(body))
		for _, rl := range req.Logs().ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, r := range sl.LogRecords().All() {
					all = append(all, fmt.Sprint(rl.Resource().Attributes().AsRaw(), rl.SchemaUrl(), sl.Scope().Name(), sl.SchemaUrl(), r.Attributes().AsRaw()))
				}
			}
		}
	case parts.Traces:
		req := ptraceotlp.NewExportRequest()
		require.NoError(t, req.UnmarshalProto(body))
		for _, rs := range req.Traces().ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					all = append(all, fmt.Sprint(rs.Resource().Attributes().AsRaw(), rs.SchemaUrl(), ss.Scope().Name(), ss.SchemaUrl(), s.Attributes().AsRaw()))
				}
			}
		}
	case parts.Metrics:
		req := pmetricotlp.NewExportRequest()
		require.NoError(t, req.UnmarshalProto(body))
		for _, rm := range req.Metrics().ResourceMetrics().All() {
			for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
				head := fmt.Sprint(rm.Resource().Attributes().AsRaw(), m.Name(), m.Unit(), m.Description(), m.Metadata().AsRaw(), m.Type())
				add := func(a pcommon.Map, more ...any) { all = append(all, fmt.Sprint(head, a.AsRaw(), more)) }
				switch m.Type() {
				case pmetric.MetricTypeGauge:
					for _, p := range m.Gauge().DataPoints().All() {
						add(p.Attributes())
					}
				case pmetric.MetricTypeSum:
					for _, p := range m.Sum().DataPoints().All() {
						add(p.Attributes(), m.Sum().IsMonotonic(), m.Sum().AggregationTemporality())
					}
				case pmetric.MetricTypeHistogram:
					for _, p := range m.Histogram().DataPoints().All() {
						add(p.Attributes(), m.Histogram().AggregationTemporality())
					}
				case pmetric.MetricTypeExponentialHistogram:
					for _, p := range m.ExponentialHistogram().DataPoints().All() {
						add(p.Attributes(), m.ExponentialHistogram().AggregationTemporality())
					}
				case pmetric.MetricTypeSummary:
					for _, p := range m.Summary().DataPoints().All() {
						add(p.Attributes())
					}
				case pmetric.MetricTypeEmpty:
				}
			}
		}
	case parts.Profiles:
	}
	return all
}

// However a request is divided, its parts have each item once, in order, with its resource, scope and metric, and a selection has the selected
// items.
func TestPartsAreTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for signal, body := range requests(t) {
		whole := itemsOf(t, signal, body)
		batch, err := parts.Decode(signal, body)
		require.NoError(t, err)
		require.Equal(t, len(whole), batch.Items, signal)
		for range 200 {
			var got, selected []string
			var selection []parts.Range
			for from := 0; from < batch.Items; {
				r := parts.Range{From: from, To: from + 1 + random.IntN(batch.Items-from)}
				part, err := batch.Encode(r)
				require.NoError(t, err)
				got = append(got, itemsOf(t, signal, part)...)
				if random.IntN(2) == 0 {
					selection = append(selection, r)
					selected = append(selected, whole[r.From:r.To]...)
				}
				from = r.To
			}
			require.Equal(t, whole, got, signal)
			part, err := batch.Encode(selection...)
			require.NoError(t, err)
			require.Equal(t, selected, itemsOf(t, signal, part), signal)
		}
	}
}

func TestDecodeRefusesWhatIsNoRequest(t *testing.T) {
	for _, signal := range []parts.Signal{parts.Logs, parts.Metrics, parts.Traces, "smoke"} {
		_, err := parts.Decode(signal, []byte("\xff\xff"))
		assert.Error(t, err, signal)
	}
	batch, err := parts.Decode(parts.Profiles, []byte("kept as it is"))
	require.NoError(t, err)
	part, err := batch.Encode(parts.Range{From: 0, To: 1})
	require.NoError(t, err)
	assert.Equal(t, "kept as it is", string(part))
}
