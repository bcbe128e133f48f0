package translate_test

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/translate"
	"github.com/penstockhq/penstock/internal/streamkey"
)

var now = time.Unix(1_800_000_000, 0)

func defaults() translate.Settings {
	return translate.Settings{Strategy: otlptranslator.UnderscoreEscapingWithSuffixes, MaxFuture: 10 * time.Minute}
}

// shop makes metrics of one resource.
func shop(fill func(pmetric.MetricSlice)) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	rm.Resource().Attributes().PutStr("service.instance.id", "1")
	rm.Resource().Attributes().PutStr("k8s.pod.name", "shop-1")
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("lib")
	fill(sm.Metrics())
	return md
}

func gauge(ms pmetric.MetricSlice, name string, at ...time.Time) pmetric.NumberDataPointSlice {
	m := ms.AppendEmpty()
	m.SetName(name)
	ps := m.SetEmptyGauge().DataPoints()
	for i, t := range at {
		p := ps.AppendEmpty()
		p.SetDoubleValue(float64(i))
		if !t.IsZero() {
			p.SetTimestamp(pcommon.NewTimestampFromTime(t))
		}
	}
	return ps
}

func names(samples []sample.Sample) (all []string) {
	for _, s := range samples {
		all = append(all, s.Labels.String())
	}
	return all
}

func run(t *testing.T, s translate.Settings, md pmetric.Metrics) translate.Batch {
	t.Helper()
	md.MarkReadOnly() // it may be shared
	b, err := translate.New(s).Translate(t.Context(), md, now, nil, "")
	require.NoError(t, err)
	return b
}

func TestOneBadPointCostsItself(t *testing.T) {
	b := run(t, defaults(), shop(func(ms pmetric.MetricSlice) {
		gauge(ms, "good", now)
		gauge(ms, "mixed", now, time.Time{}, now.Add(time.Hour), now.Add(time.Second))
		gauge(ms, "empty")
		unnamed := gauge(ms, "unnamed_label", now, now, now).At(2).Attributes()
		unnamed.PutStr("", "x")
		unnamed.PutStr("key", "kept")
		gauge(ms, "untold").AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(now))
		thresholds := ms.AppendEmpty()
		thresholds.SetName("thresholds")
		thresholds.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for _, threshold := range []float64{math.Inf(1), math.NaN(), -1} {
			p := thresholds.ExponentialHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(now))
			p.SetZeroThreshold(threshold)
		}
		ms.AppendEmpty().SetName("typeless")
		sum := ms.AppendEmpty()
		sum.SetName("delta")
		sum.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		sum.Sum().DataPoints().AppendEmpty()
		sum.Sum().DataPoints().AppendEmpty()
		sum = ms.AppendEmpty()
		sum.SetName("unspecified")
		sum.SetEmptySum().DataPoints().AppendEmpty()
	}))
	assert.Equal(t, []string{
		`{__name__="good", instance="1", job="shop"}`,
		`{__name__="mixed", instance="1", job="shop"}`,
		`{__name__="mixed", instance="1", job="shop"}`,
		`{__name__="unnamed_label", instance="1", job="shop"}`,
		`{__name__="unnamed_label", instance="1", job="shop"}`,
		`{__name__="unnamed_label", instance="1", job="shop", key="kept"}`,
	}, names(b.Samples))
	assert.Equal(t, [translate.NumReasons]int{
		translate.BadAttribute: 1, translate.DeltaTemporality: 2, translate.Future: 1, translate.Malformed: 3, translate.NoTemporality: 1, translate.NoTime: 1,
		translate.NoValue: 1,
	}, b.Refused)
}

func TestTargetInfoIsBounded(t *testing.T) {
	s := defaults()
	s.TargetInfo = true
	b := run(t, s, shop(func(ms pmetric.MetricSlice) {
		gauge(ms, "old", time.Unix(1, 0))
		gauge(ms, "new", now)
	}))
	assert.Less(t, len(b.Samples), 600, "57 years are 12 million times half a lookback")
	b = run(t, s, shop(func(ms pmetric.MetricSlice) {
		gauge(ms, "a", now).At(0).Attributes().PutStr("", "x")
		gauge(ms, "b", now)
		gauge(ms, "c", now)
	}))
	assert.Equal(t, []string{
		`{__name__="a", instance="1", job="shop"}`,
		`{__name__="b", instance="1", job="shop"}`,
		`{__name__="c", instance="1", job="shop"}`,
		`{__name__="target_info", instance="1", job="shop", k8s_pod_name="shop-1"}`,
	}, names(b.Samples))
}

func TestStrategies(t *testing.T) {
	for strategy, want := range map[otlptranslator.TranslationStrategyOption]string{
		otlptranslator.UnderscoreEscapingWithSuffixes:    `{__name__="http_requests_seconds_total", http_route="/", instance="1", job="shop"}`,
		otlptranslator.UnderscoreEscapingWithoutSuffixes: `{__name__="http_requests", http_route="/", instance="1", job="shop"}`,
		otlptranslator.NoUTF8EscapingWithSuffixes:        `{__name__="http.requests_seconds_total", "http.route"="/", instance="1", job="shop"}`,
		otlptranslator.NoTranslation:                     `{__name__="http.requests", "http.route"="/", instance="1", job="shop"}`,
	} {
		s := defaults()
		s.Strategy = strategy
		b := run(t, s, shop(func(ms pmetric.MetricSlice) {
			m := ms.AppendEmpty()
			m.SetName("http.requests")
			m.SetUnit("s")
			sum := m.SetEmptySum()
			sum.SetIsMonotonic(true)
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			p := sum.DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(now))
			p.SetIntValue(1)
			p.Attributes().PutStr("http.route", "/")
		}))
		assert.Equal(t, []string{want}, names(b.Samples), strategy)
	}
}

func TestLabelsOfResourceAndScope(t *testing.T) {
	s := defaults()
	s.Promote = []string{"k8s.pod.name"}
	s.ScopeLabels = true
	s.ExternalLabels = map[string]string{"region": "eu", "job": "not over the resource's"}
	s.Namespace = "acme"
	b := run(t, s, shop(func(ms pmetric.MetricSlice) { gauge(ms, "x", now) }))
	assert.Equal(t, []string{
		`{__name__="acme_x", instance="1", job="shop", k8s_pod_name="shop-1", otel_scope_name="lib", region="eu"}`,
	}, names(b.Samples))
}

func TestNoRecordedValueIsStale(t *testing.T) {
	b := run(t, defaults(), shop(func(ms pmetric.MetricSlice) {
		gauge(ms, "gone", now).At(0).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
		h := ms.AppendEmpty()
		h.SetName("h")
		h.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := h.Histogram().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(now))
		p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	}))
	require.Len(t, b.Samples, 4, "the sum too, which the point does not tell")
	for _, s := range b.Samples {
		assert.True(t, value.IsStaleNaN(s.Value), s.Labels)
	}
}

// The end of a histogram or summary ends all its series, including those that its last point lacks.
func TestTheEndOfAFamily(t *testing.T) {
	s := defaults()
	s.Shapes = 4
	tr := translate.New(s)
	family := func(ended, told bool) pmetric.Metrics {
		return shop(func(ms pmetric.MetricSlice) {
			h, q := ms.AppendEmpty(), ms.AppendEmpty()
			h.SetName("h")
			h.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			p := h.Histogram().DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(now))
			p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(ended))
			q.SetName("s")
			v := q.SetEmptySummary().DataPoints().AppendEmpty()
			v.SetTimestamp(pcommon.NewTimestampFromTime(now))
			v.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(ended))
			if told {
				p.ExplicitBounds().FromRaw([]float64{1, 2})
				p.BucketCounts().FromRaw([]uint64{1, 2, 3})
				v.QuantileValues().AppendEmpty().SetQuantile(0.5)
			}
			if !ended {
				p.SetSum(1)
			}
		})
	}
	translated := func(md pmetric.Metrics) []sample.Sample {
		b, err := tr.Translate(t.Context(), md, now, nil, "")
		require.NoError(t, err)
		return b.Samples
	}
	want := slices.Sorted(slices.Values(names(translated(family(false, true)))))
	require.Len(t, want, 8)
	for _, told := range []bool{true, false} {
		ended := translated(family(true, told))
		assert.Equal(t, want, slices.Sorted(slices.Values(names(ended))))
		for _, x := range ended {
			assert.True(t, value.IsStaleNaN(x.Value), x.Labels)
		}
	}
	for i := range 10 { // others: the first is forgotten
		md := family(false, true)
		md.ResourceMetrics().At(0).Resource().Attributes().PutInt("service.instance.id", int64(i+2))
		translated(md)
	}
	assert.Len(t, translated(family(true, false)), 5)
}

// Attributes whose names become one label are joined, on points, in target_info and as promoted attributes.
func TestNamesThatMeetAreJoined(t *testing.T) {
	s := defaults()
	s.TargetInfo, s.ScopeLabels, s.Promote = true, true, []string{"a.b", "a_b", ""}
	md := shop(func(ms pmetric.MetricSlice) {
		p := gauge(ms, "x", now).At(0).Attributes()
		p.PutStr("c_d", "2")
		p.PutStr("c.d", "1")
	})
	resource := md.ResourceMetrics().At(0).Resource().Attributes()
	resource.Remove("k8s.pod.name")
	resource.PutStr("a_b", "2")
	resource.PutStr("a.b", "1")
	resource.PutStr("", "no name")
	scope := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Scope().Attributes()
	scope.PutStr("e_f", "2")
	scope.PutStr("e.f", "1")
	scope.PutStr("name", "not over the scope's own")
	b := run(t, s, md)
	assert.Equal(t, []string{
		`{__name__="x", a_b="1;2", c_d="1;2", instance="1", job="shop", otel_scope_e_f="1;2", otel_scope_name="lib"}`,
		`{__name__="target_info", a_b="1;2", instance="1", job="shop"}`,
	}, names(b.Samples))
	assert.Equal(t, 1, b.Refused[translate.BadAttribute], "once a resource")
}

// The ids of an exemplar take precedence: an attribute of the same name is left out and counted.
func TestNoExemplarLabelTwice(t *testing.T) {
	b := run(t, defaults(), shop(func(ms pmetric.MetricSlice) {
		ps := gauge(ms, "x", now, now)
		for i := range 2 {
			x := ps.At(i).Exemplars().AppendEmpty()
			x.SetIntValue(1)
			if i == 0 {
				x.SetTraceID([16]byte{1})
				x.SetSpanID([8]byte{2})
			}
			x.FilteredAttributes().PutStr("trace_id", "attribute")
			x.FilteredAttributes().PutStr("span_id", "attribute")
			x.FilteredAttributes().PutStr("user", "u")
			x.FilteredAttributes().PutStr("", "no name")
		}
	}))
	assert.Equal(t, `{span_id="0200000000000000", trace_id="01000000000000000000000000000000", user="u"}`, b.Samples[0].Exemplars[0].Labels.String())
	assert.Equal(t, `{span_id="attribute", trace_id="attribute", user="u"}`, b.Samples[1].Exemplars[0].Labels.String())
	assert.Equal(t, 4, b.Refused[translate.ExemplarAttribute])
}

// Streams that become one series have one name, and equal series of two tenants have two.
func TestNamesAreThoseOfTheSeries(t *testing.T) {
	tr := translate.New(defaults())
	tenant := ""
	names := tr.Names(func(pcommon.Resource) string { return tenant })
	defer names.Close()
	name := func(change func(resource, point pcommon.Map)) streamkey.Key {
		md := shop(func(ms pmetric.MetricSlice) { gauge(ms, "a.b", now) })
		rm := md.ResourceMetrics().At(0)
		m := rm.ScopeMetrics().At(0).Metrics().At(0)
		p := m.Gauge().DataPoints().At(0).Attributes()
		p.PutStr("code", "200")
		change(rm.Resource().Attributes(), p)
		key, ok := names.Series(rm, rm.ScopeMetrics().At(0), m, p)
		require.True(t, ok)
		return key
	}
	one := name(func(_, _ pcommon.Map) {})
	for _, same := range []func(resource, point pcommon.Map){
		func(resource, _ pcommon.Map) { resource.PutInt("process.pid", 7) },
		func(_, point pcommon.Map) { point.PutStr("k", "") },
		func(_, point pcommon.Map) { point.PutInt("code", 200) },
	} {
		assert.Equal(t, one, name(same))
	}
	assert.NotEqual(t, one, name(func(resource, _ pcommon.Map) { resource.PutStr("service.instance.id", "2") }))
	assert.NotEqual(t, one, name(func(_, point pcommon.Map) { point.PutStr("k", "v") }))
	tenant = "acme"
	assert.NotEqual(t, one, name(func(_, _ pcommon.Map) {}))
	md := shop(func(ms pmetric.MetricSlice) { gauge(ms, "", now) })
	sm := md.ResourceMetrics().At(0).ScopeMetrics().At(0)
	_, ok := names.Series(md.ResourceMetrics().At(0), sm, sm.Metrics().At(0), pcommon.NewMap())
	assert.False(t, ok, "a metric without a name becomes no series")
}

func TestExemplarsOfBucketsAreTheirOwn(t *testing.T) {
	b := run(t, defaults(), shop(func(ms pmetric.MetricSlice) {
		m := ms.AppendEmpty()
		m.SetName("h")
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := m.Histogram().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(now))
		p.SetCount(3)
		p.ExplicitBounds().FromRaw([]float64{1, 2})
		p.BucketCounts().FromRaw([]uint64{1, 1, 1})
		for _, v := range []float64{0.5, 1.5, 9} {
			x := p.Exemplars().AppendEmpty()
			x.SetDoubleValue(v)
			x.SetTimestamp(p.Timestamp())
			x.SetTraceID([16]byte{1})
		}
	}))
	got := map[string]float64{}
	for _, s := range b.Samples {
		if len(s.Exemplars) > 0 {
			require.Len(t, s.Exemplars, 1)
			got[s.Labels.Get("le")] = s.Exemplars[0].Value
			assert.Equal(t, strings.Repeat("0", 30), s.Exemplars[0].Labels.Get("trace_id")[2:])
		}
	}
	assert.Equal(t, map[string]float64{"1": 0.5, "2": 1.5, "+Inf": 9}, got)
}

// A store refuses an exemplar that is older than the previous one of its series, so they are sent in the order of their times.
func TestExemplarsComeInTheOrderOfTheirTimes(t *testing.T) {
	b := run(t, defaults(), shop(func(ms pmetric.MetricSlice) {
		fill := func(xs pmetric.ExemplarSlice) {
			for i, ago := range []time.Duration{1, 3, 2} {
				x := xs.AppendEmpty()
				x.SetDoubleValue(float64(3-i) / 10)
				x.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-ago * time.Second)))
			}
		}
		h := ms.AppendEmpty()
		h.SetName("h")
		h.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for _, bound := range []float64{1, 0.05} { // in the first bucket, in the last
			p := h.Histogram().DataPoints().AppendEmpty()
			p.Attributes().PutDouble("bound", bound)
			p.SetTimestamp(pcommon.NewTimestampFromTime(now))
			p.ExplicitBounds().FromRaw([]float64{bound})
			p.BucketCounts().FromRaw([]uint64{0, 0})
			fill(p.Exemplars())
		}
		g := ms.AppendEmpty()
		g.SetName("g")
		p := g.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(now))
		p.SetDoubleValue(1)
		fill(p.Exemplars())
	}))
	series := 0
	for _, s := range b.Samples {
		if len(s.Exemplars) == 0 {
			continue
		}
		series++
		var ago []int64
		for _, x := range s.Exemplars {
			ago = append(ago, (now.UnixMilli()-x.Ts)/1000)
		}
		assert.Equal(t, []int64{3, 2, 1}, ago, s.Labels.String())
	}
	assert.Equal(t, 3, series)
}

func TestCancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := translate.New(defaults()).Translate(ctx, shop(func(ms pmetric.MetricSlice) { gauge(ms, "x", now) }), now, nil, "")
	require.ErrorIs(t, err, context.Canceled)
}

func FuzzTranslate(f *testing.F) {
	seed, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(shop(func(ms pmetric.MetricSlice) { gauge(ms, "x", now, time.Time{}) }))
	require.NoError(f, err)
	f.Add(seed)
	tr := translate.New(translate.Settings{Strategy: otlptranslator.UnderscoreEscapingWithSuffixes, TargetInfo: true, PromoteAll: true, ScopeLabels: true, CustomBuckets: true})
	f.Fuzz(func(t *testing.T, raw []byte) {
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(raw)
		if err != nil {
			return
		}
		md.MarkReadOnly()
		b, err := tr.Translate(t.Context(), md, now, nil, "")
		require.NoError(t, err)
		for _, s := range b.Samples {
			require.NotZero(t, s.Labels.Get("__name__"))
		}
	})
}

func TestExemplarWithoutTimeGetsItsPoints(t *testing.T) {
	b := run(t, defaults(), shop(func(ms pmetric.MetricSlice) {
		m := ms.AppendEmpty()
		m.SetName("x")
		m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(now))
		p.SetIntValue(1)
		p.Exemplars().AppendEmpty().SetIntValue(1)
	}))
	require.Len(t, b.Samples[0].Exemplars, 1)
	assert.Equal(t, now.UnixMilli(), b.Samples[0].Exemplars[0].Ts)
}

// OTLP's wire format can contain an attribute twice; a series can't.
func TestNoLabelTwice(t *testing.T) {
	raw := pmetricotlp.NewExportRequestFromMetrics(shop(func(ms pmetric.MetricSlice) {
		a := gauge(ms, "x", now).At(0).Attributes()
		a.PutStr("key.a", "1")
		a.PutStr("key.b", "2")
		gauge(ms, "y", now)
	}))
	body, err := raw.MarshalProto()
	require.NoError(t, err)
	body = bytes.ReplaceAll(body, []byte("key.b"), []byte("key.a"))
	twice := pmetricotlp.NewExportRequest()
	require.NoError(t, twice.UnmarshalProto(body))

	s := defaults()
	assert.Equal(t, `{__name__="x", instance="1", job="shop", key_a="1;2"}`, run(t, s, twice.Metrics()).Samples[0].Labels.String())
	s.Strategy = otlptranslator.NoTranslation
	twice = pmetricotlp.NewExportRequest()
	require.NoError(t, twice.UnmarshalProto(body))
	b := run(t, s, twice.Metrics())
	assert.Equal(t, []string{`{__name__="x", instance="1", job="shop", "key.a"="1;2"}`, `{__name__="y", instance="1", job="shop"}`}, names(b.Samples))
}

// Each sample knows its stream, whatever its type: the samples of one stream have the same, those of others another.
func TestSamplesKnowTheirStream(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		md := pmetric.NewMetrics()
		want := map[string]int{} // samples by the description, which is the stream here
		streams := 0
		for range 1 + r.IntN(3) {
			rm := md.ResourceMetrics().AppendEmpty()
			rm.Resource().Attributes().PutStr("service.name", "shop")
			rm.Resource().Attributes().PutInt("pid", r.Int64())
			for range r.IntN(3) {
				sm := rm.ScopeMetrics().AppendEmpty()
				sm.Scope().SetName(strconv.Itoa(r.IntN(1e9)))
				for range r.IntN(4) {
					streams++
					m := sm.Metrics().AppendEmpty()
					m.SetName("name" + strings.Repeat(".", streams))
					m.SetDescription(strconv.Itoa(streams))
					want[m.Description()] = fillPoints(r, m)
				}
			}
		}
		s := defaults()
		s.Streams, s.TargetInfo, s.CustomBuckets = true, r.IntN(2) == 0, r.IntN(2) == 0
		if s.CustomBuckets {
			s.TargetInfo = true
		}
		b := run(t, s, md)
		of := map[uint64]string{}
		for _, x := range b.Samples {
			if x.Labels.Get("__name__") == "target_info" {
				require.Zero(t, x.Stream)
				continue
			}
			require.NotZero(t, x.Stream)
			if help, ok := of[x.Stream]; ok {
				require.Equal(t, help, x.Family.Help)
			}
			of[x.Stream] = x.Family.Help
		}
		filled := 0
		for _, n := range want {
			if n > 0 {
				filled++
			}
		}
		require.Len(t, of, filled)
	}
}

// fillPoints gives m a type and some points, and returns how many.
func fillPoints(r *rand.Rand, m pmetric.Metric) int {
	n := r.IntN(3)
	at := pcommon.NewTimestampFromTime(now)
	switch r.IntN(5) {
	case 0:
		m.SetEmptyGauge()
		for range n {
			p := m.Gauge().DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			p.SetIntValue(1)
		}
	case 1:
		m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for range n {
			p := m.Sum().DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			p.SetIntValue(1)
		}
	case 2:
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for range n {
			p := m.Histogram().DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			if r.IntN(2) == 0 {
				p.SetSum(1)
			}
			p.ExplicitBounds().FromRaw([]float64{1, 2, 3}[:r.IntN(4)])
			p.BucketCounts().FromRaw([]uint64{0, 0, 0, 0}[:r.IntN(5)])
		}
	case 3:
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for range n {
			p := m.ExponentialHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			p.Positive().BucketCounts().FromRaw([]uint64{1, 2})
		}
	default:
		m.SetEmptySummary()
		for range n {
			p := m.Summary().DataPoints().AppendEmpty()
			p.SetTimestamp(at)
			for range r.IntN(3) {
				p.QuantileValues().AppendEmpty().SetQuantile(r.Float64())
			}
		}
	}
	return n
}

func TestWhatIsNotUTF8IsReplaced(t *testing.T) {
	for _, strategy := range []otlptranslator.TranslationStrategyOption{otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.NoTranslation} {
		s := defaults()
		s.Strategy, s.TargetInfo, s.PromoteAll, s.ScopeLabels = strategy, true, true, true
		md := shop(func(ms pmetric.MetricSlice) {
			p := gauge(ms, "na\xffme", now).At(0)
			ms.At(0).SetDescription("he\xfflp")
			ms.At(0).SetUnit("u\xff")
			p.Attributes().PutStr("key\xff", "va\xfflue")
			x := p.Exemplars().AppendEmpty()
			x.SetIntValue(1)
			x.FilteredAttributes().PutStr("k\xff", "v\xff")
		})
		md.ResourceMetrics().At(0).Resource().Attributes().PutStr("r\xff", "v\xff")
		md.ResourceMetrics().At(0).Resource().Attributes().PutStr("service.name", "sh\xffop")
		md.ResourceMetrics().At(0).ScopeMetrics().At(0).Scope().SetVersion("1\xff")
		b := run(t, s, md)
		require.Len(t, b.Samples, 2)
		for _, x := range b.Samples {
			all := []string{x.Family.Name, x.Family.Help, x.Family.Unit}
			x.Labels.Range(func(l labels.Label) { all = append(all, l.Name, l.Value) })
			for _, e := range x.Exemplars {
				e.Labels.Range(func(l labels.Label) { all = append(all, l.Name, l.Value) })
			}
			for _, text := range all {
				assert.True(t, utf8.ValidString(text), "%q", text)
			}
		}
	}
}

// A translator caches labels of series. Those of a batch stay valid when others replace them, also with more series than it caches.
func TestLabelsOutliveTheirBatch(t *testing.T) {
	const series = 5 << 12
	tr := translate.New(defaults())
	requests := func(from int) pmetric.Metrics {
		return shop(func(ms pmetric.MetricSlice) {
			ps := gauge(ms, "m", slices.Repeat([]time.Time{now}, series)...)
			for i, p := range ps.All() {
				p.Attributes().PutStr("i", strconv.Itoa(from+i))
			}
		})
	}
	var first []labels.Labels
	for round := range 3 {
		b, err := tr.Translate(context.Background(), requests(round*series/2), now, nil, "")
		require.NoError(t, err)
		require.Len(t, b.Samples, series)
		for i, x := range b.Samples {
			if x.Labels.Get("i") != strconv.Itoa(round*series/2+i) || x.Hash != x.Labels.Hash() {
				require.Fail(t, "another series' labels", "sample %d of round %d: %s", i, round, x.Labels)
			}
			if round == 0 {
				first = append(first, x.Labels)
			}
		}
		tr.Release(b)
	}
	for i, ls := range first {
		if ls.Get("i") != strconv.Itoa(i) {
			require.Fail(t, "labels that changed", "sample %d: %s", i, ls)
		}
	}
}
