//go:build full

package prometheus_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/penstockhq/penstock/testbed/backends/prometheus"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	services = 360
	steps    = 3
	readme   = "../../../exporters/prometheustsdbexporter/README.md"
)

// differences are the rows of the README's table, and input that shows each.
var differences = map[string]func(seed uint64, step int, at pcommon.Timestamp, rm pmetric.ResourceMetrics){
	"names that meet among promoted resource attributes": func(_ uint64, _ int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		rm.Resource().Attributes().PutStr("k8s.pod.name", "a")
		rm.Resource().Attributes().PutStr("k8s_pod_name", "b")
		level(rm, at).SetDoubleValue(1)
	},
	"the end of a histogram or summary that tells no buckets": func(_ uint64, step int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		m := added(rm, "ends")
		p := m.SetEmptyHistogram().DataPoints().AppendEmpty()
		m.Histogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p.SetTimestamp(at)
		if step == steps-1 {
			p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
			return
		}
		p.SetCount(3)
		p.SetSum(4)
		p.ExplicitBounds().FromRaw([]float64{1, 2})
		p.BucketCounts().FromRaw([]uint64{1, 1, 1})
	},
	"a number without a value": func(_ uint64, step int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		if p := level(rm, at); step != 1 {
			p.SetDoubleValue(7)
		}
	},
	"an attribute without a name": func(_ uint64, _ int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		p := level(rm, at)
		p.SetDoubleValue(1)
		p.Attributes().PutStr("", "nameless")
	},
	"attributes with several underscores in a row": func(_ uint64, _ int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		p := level(rm, at)
		p.SetDoubleValue(1)
		p.Attributes().PutStr("a..b", "x")
		p.Attributes().PutStr("__x", "x")
	},
	"exemplars of gauges and of sums that can fall": func(_ uint64, _ int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		p := level(rm, at)
		p.SetDoubleValue(1)
		e := p.Exemplars().AppendEmpty()
		e.SetTimestamp(at)
		e.SetDoubleValue(2)
	},
	"exemplars of a histogram, the least not first": func(_ uint64, _ int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		m := added(rm, "traced")
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := m.Histogram().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetCount(2)
		p.ExplicitBounds().FromRaw([]float64{1, 2})
		p.BucketCounts().FromRaw([]uint64{1, 1, 0})
		for i, v := range []float64{1.5, 0.5} {
			e := p.Exemplars().AppendEmpty()
			e.SetTimestamp(at + pcommon.Timestamp(i))
			e.SetDoubleValue(v)
		}
	},
	"exemplars of a point that says that it has no value": func(_ uint64, step int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		m := added(rm, "ended")
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetDoubleValue(1)
		p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(step == steps-1))
		e := p.Exemplars().AppendEmpty()
		e.SetTimestamp(at)
		e.SetDoubleValue(2)
	},
	"a zero threshold": func(_ uint64, _ int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		m := added(rm, "zeros")
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := m.ExponentialHistogram().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetCount(3)
		p.SetZeroCount(3)
		p.SetZeroThreshold(0.5)
	},
	"exponential scales finer than 8": func(seed uint64, step int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
		m := added(rm, "fine")
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := m.ExponentialHistogram().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetScale(11)
		r := rand.New(rand.NewPCG(seed, 6))
		counts := make([]uint64, 40)
		for i := range counts {
			if r.IntN(3) == 0 {
				counts[i] = (1 + r.Uint64N(5)) * uint64(step+1)
				p.SetCount(p.Count() + counts[i])
			}
		}
		p.Positive().SetOffset(int32(r.IntN(60) - 30))
		p.Positive().BucketCounts().FromRaw(counts)
	},
}

func added(rm pmetric.ResourceMetrics, name string) pmetric.Metric {
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	return m
}

func level(rm pmetric.ResourceMetrics, at pcommon.Timestamp) pmetric.NumberDataPoint {
	p := added(rm, "level").SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(at)
	return p
}

// ordinary adds one to four cumulative metrics of any type, as SDKs and collectors make them: the same ones in each step.
func ordinary(seed uint64, step int, at pcommon.Timestamp, rm pmetric.ResourceMetrics) {
	r := rand.New(rand.NewPCG(seed, 5))
	attributes := func(m pcommon.Map) {
		for _, name := range []string{"http.route", "http_route", "code", "job", "le", "9x", "_u", "é", "k8s_pod_name", "quantile", "instance", "__name__", "a b", "otel_scope_name", "build", "-"} {
			switch r.IntN(9) {
			case 0:
				m.PutStr(name, "")
			case 1:
				m.PutInt(name, r.Int64N(3))
			case 2:
				m.PutBool(name, true)
			case 3:
				m.PutDouble(name, 0.5)
			case 4:
				m.PutEmptySlice(name).AppendEmpty().SetStr("x")
			case 5:
				m.PutStr(name, []string{"x", "é", "a\"b\n", strings.Repeat("long ", 100)}[r.IntN(4)])
			case 6:
				m.PutEmptyMap(name).PutDouble("x", 1e21)
			case 7:
				m.PutEmptyBytes(name).FromRaw([]byte{0, 255})
			}
		}
		m.PutInt("series", int64(m.Len())+r.Int64N(1e6)) // one series is one stream
		m.Remove("job")
	}
	grown := uint64(step + 1)
	scope := rm.ScopeMetrics().AppendEmpty()
	scope.Scope().SetName("lib")
	for i := range 1 + r.IntN(4) {
		m := scope.Metrics().AppendEmpty()
		m.SetName(fmt.Sprintf("%s.%d", []string{"a.b", "http.server.duration", "x_total", "é", "9", "total", "cpu.seconds", "x.ratio", "__", "a..b", "_x_", "x_sum", "x_bucket", "http:rule"}[r.IntN(14)], i))
		m.SetUnit([]string{"", "s", "By", "1", "{thing}", "By/s", "ms", "%", "{a}/s", "m/s", "1/s", "Cel", "seconds", "KiBy", "/", "s/", "{", "é", "d", "By.s"}[r.IntN(20)])
		ended := pmetric.DefaultDataPointFlags.WithNoRecordedValue(step == steps-1 && r.IntN(5) == 0)
		switch r.IntN(5) {
		case 0, 1:
			ps := m.SetEmptyGauge().DataPoints()
			if r.IntN(2) == 0 {
				m.SetEmptySum().SetIsMonotonic(r.IntN(2) == 0)
				m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
				ps = m.Sum().DataPoints()
			}
			p := ps.AppendEmpty()
			p.SetTimestamp(at)
			p.SetFlags(ended)
			switch v := r.Int64N(1000); r.IntN(8) {
			case 0:
				p.SetDoubleValue([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.SmallestNonzeroFloat64, math.MaxFloat64}[r.IntN(6)])
			case 1:
				p.SetIntValue([]int64{math.MaxInt64, math.MinInt64, 1<<53 + 1}[r.IntN(3)])
			case 2, 3:
				p.SetIntValue(v * int64(grown))
			default:
				p.SetDoubleValue(float64(v) * 0.37 * float64(grown))
			}
			if m.Type() == pmetric.MetricTypeSum && m.Sum().IsMonotonic() && !ended.NoRecordedValue() {
				exemplars(r, at, p.Exemplars())
			}
			attributes(p.Attributes())
		case 2:
			m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			p := m.Histogram().DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			p.SetFlags(ended)
			p.SetCount(6 * grown)
			switch r.IntN(6) {
			case 0:
				p.SetSum([]float64{math.NaN(), math.Inf(1), -5}[r.IntN(3)])
			case 1:
			default:
				p.SetSum(r.Float64() * float64(grown))
			}
			if r.IntN(5) > 0 {
				p.ExplicitBounds().FromRaw([][]float64{{0.5, 1e9}, {-1, 0}, {1e-7, 1e21}, {5e-324, 1.7e308}}[r.IntN(4)])
				p.BucketCounts().FromRaw([]uint64{grown, 2 * grown, 3 * grown})
			}
			if r.IntN(3) == 0 {
				p.SetMin(0.25)
				p.SetMax(0.75)
			}
			if !ended.NoRecordedValue() {
				exemplars(r, at, p.Exemplars())
			}
			attributes(p.Attributes())
		case 3:
			m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			p := m.ExponentialHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			p.SetFlags(ended)
			p.SetCount(7 * grown)
			if r.IntN(5) > 0 {
				p.SetSum(r.Float64())
			}
			p.SetZeroCount(grown)
			p.SetScale(int32(r.IntN(13) - 4))
			if !ended.NoRecordedValue() {
				exemplars(r, at, p.Exemplars())
			}
			p.Positive().SetOffset(int32(r.IntN(40) - 20))
			p.Positive().BucketCounts().FromRaw([]uint64{grown, 0, 0, 0, 2 * grown})
			p.Negative().BucketCounts().FromRaw([]uint64{3 * grown})
			attributes(p.Attributes())
		default:
			p := m.SetEmptySummary().DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			p.SetFlags(ended)
			p.SetCount(grown)
			p.SetSum(r.Float64())
			for _, q := range []float64{0, 0.5, 0.99, 1} {
				v := p.QuantileValues().AppendEmpty()
				v.SetQuantile(q)
				v.SetValue(r.Float64())
			}
			attributes(p.Attributes())
		}
	}
}

// exemplars adds some, the greatest last, with and without a trace and attributes.
func exemplars(r *rand.Rand, at pcommon.Timestamp, to pmetric.ExemplarSlice) {
	for i := range r.IntN(3) {
		e := to.AppendEmpty()
		e.SetTimestamp(at - pcommon.Timestamp(r.IntN(2)+2-2*i)*1e9)
		if r.IntN(4) == 0 {
			e.SetIntValue(int64(i) * 2)
		} else {
			e.SetDoubleValue(float64(i)*2 - r.Float64())
		}
		if r.IntN(2) == 0 {
			e.SetTraceID(pcommon.TraceID{1, byte(i)})
			e.SetSpanID(pcommon.SpanID{2})
		}
		if r.IntN(3) == 0 {
			e.FilteredAttributes().PutStr("user.id", "u")
			e.FilteredAttributes().PutInt("n", r.Int64N(5))
		}
	}
}

// stored is a Prometheus' content for each service: samples, and the values at the end.
func stored(t *testing.T, address string, at time.Time) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, query := range []string{`{job=~"w.*"}[10m]`, `{job=~"w.*"}`} {
		status, body, err := process.Fetch(t.Context(), "http://"+address+"/api/v1/query?"+url.Values{"query": {query}, "time": {ms(at)}}.Encode())
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, body)
		var answer struct {
			Data struct {
				Result []struct {
					Metric                               map[string]string
					Values, Histograms, Value, Histogram json.RawMessage
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		for _, r := range answer.Data.Result {
			job := r.Metric["job"]
			all[job] = append(all[job], fmt.Sprintf("%v: %s%s%s%s", r.Metric, r.Values, r.Histograms, r.Value, r.Histogram))
		}
	}
	status, body, err := process.Fetch(t.Context(), "http://"+address+"/api/v1/query_exemplars?"+
		url.Values{"query": {`{job=~"w.*"}`}, "start": {ms(at.Add(-10 * time.Minute))}, "end": {ms(at)}}.Encode())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, body)
	var answer struct {
		Data []struct {
			SeriesLabels map[string]string
			Exemplars    json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	for _, r := range answer.Data {
		all[r.SeriesLabels["job"]] = append(all[r.SeriesLabels["job"]], fmt.Sprintf("%v: exemplars %s", r.SeriesLabels, r.Exemplars))
	}
	for _, texts := range all {
		slices.Sort(texts)
	}
	return all
}

// The exporter converts cumulative OTLP like Prometheus' own endpoint, every series and sample; the README's table lists the exceptions, and each
// of its rows is used.
func TestDifferencesFromPrometheusAreTheTable(t *testing.T) {
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	section := regexp.MustCompile(`(?s)## Other than Prometheus' own OTLP endpoint.*?\|---\|---\|---\|---\|\n(.*?)\n\n`).FindSubmatch(text)
	require.NotNil(t, section)
	var rows []string
	for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \|`).FindAllSubmatch(section[1], -1) {
		rows = append(rows, string(row[1]))
		require.Contains(t, differences, string(row[1]), "a row without input")
	}
	require.Len(t, rows, len(differences))

	reference := prometheus.Configured(t, prometheus.Three, "otlp: {promote_resource_attributes: [k8s.pod.name, k8s_pod_name]}\n", features[prometheus.Three], "--web.enable-otlp-receiver")
	ours := prometheus.New(t, prometheus.Three, features[prometheus.Three])
	p := exporter(t, "http://"+ours.Address, `protocol: "2.0"`, "translation: {promote_resource_attributes: [k8s.pod.name, k8s_pod_name]}")
	now := time.Now().Truncate(time.Millisecond)
	wanted := func(service int) string { // the expected difference; mostly none
		if i := service % 24; i < len(rows) {
			return rows[i]
		}
		return ""
	}
	for step := range steps {
		for service := range services {
			md := pmetric.NewMetrics()
			rm := md.ResourceMetrics().AppendEmpty()
			rm.Resource().Attributes().PutStr("service.name", fmt.Sprintf("w%d", service))
			rm.Resource().Attributes().PutInt("build", int64(service%7))
			at := pcommon.NewTimestampFromTime(now.Add(time.Duration(10*(step-steps)) * time.Second))
			row := wanted(service)
			if row != "" {
				differences[row](uint64(service), step, at, rm)
			} else {
				ordinary(uint64(service), step, at, rm)
			}
			accepted(t, p, md)
			body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
			require.NoError(t, err)
			answer, err := send.Post(reference.Address, "/api/v1/otlp/v1/metrics", body, "Content-Type", "application/x-protobuf")
			require.NoError(t, err)
			if row == "" {
				require.Equal(t, http.StatusOK, answer.Status, answer.Body)
			}
		}
	}
	last := pmetric.NewMetrics()
	rm := last.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "wait")
	level(rm, pcommon.NewTimestampFromTime(now)).SetDoubleValue(1)
	accepted(t, p, last)
	ask.Eventually(t, func() error { // requests arrive in order
		_, err := ask.PromValue(ours.Address, `level{job="wait"}`)
		return err
	})
	want := stored(t, reference.Address, now)
	got := stored(t, ours.Address, now)
	seen := map[string]bool{}
	for service := range services {
		job := fmt.Sprintf("w%d", service)
		if row := wanted(service); row == "" {
			require.NotEmpty(t, want[job])
			only := func(a, b []string) []string {
				return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return slices.Contains(b, x) })
			}
			theirs, ours := only(want[job], got[job]), only(got[job], want[job])
			assert.True(t, len(theirs)+len(ours) == 0, "no row of the table says why Prometheus has\n%s\nand not\n%s", strings.Join(theirs, "\n"), strings.Join(ours, "\n"))
		} else if !slices.Equal(want[job], got[job]) {
			seen[row] = true
		}
	}
	for _, row := range rows {
		assert.True(t, seen[row], "the table says that %s differs, and it doesn't", row)
	}
}
