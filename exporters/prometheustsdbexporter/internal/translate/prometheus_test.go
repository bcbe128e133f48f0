package translate_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/translate"
)

// recorder keeps what Prometheus' converter appends.
type recorder struct{ samples []sample.Sample }

func (r *recorder) Append(_ storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	exemplars := slices.Clone(o.Exemplars) // a store sorts them, or refuses those that are too late
	slices.SortStableFunc(exemplars, func(a, b exemplar.Exemplar) int { return cmp.Compare(a.Ts, b.Ts) })
	r.samples = append(r.samples, sample.Sample{Labels: ls, Start: st, Time: t, Value: v, Histogram: h, FloatHistogram: fh,
		Exemplars: exemplars, Family: &sample.Family{Name: o.MetricFamilyName, Metadata: o.Metadata}})
	return 0, nil
}
func (*recorder) Commit() error   { return nil }
func (*recorder) Rollback() error { return nil }

// text contains everything of a sample. Native histograms are compared by their buckets, however these are encoded.
func text(s sample.Sample) string {
	if len(s.Exemplars) == 0 {
		s.Exemplars = nil
	}
	value := fmt.Sprint(s.Value)
	if s.Histogram != nil {
		h := s.Histogram.Copy()
		value = fmt.Sprintf("%v %v %v", h.CounterResetHint, h.CustomValues, h.Compact(0))
	}
	return fmt.Sprintf("%s start %d at %d = %s; exemplars %v; %s %v", s.Labels, s.Start, s.Time, value, s.Exemplars, s.Family.Name, s.Family.Metadata)
}

func texts(samples []sample.Sample) []string {
	all := make([]string, len(samples))
	for i := range samples {
		all[i] = text(samples[i])
	}
	slices.Sort(all)
	return all
}

var strategies = []otlptranslator.TranslationStrategyOption{
	otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.UnderscoreEscapingWithoutSuffixes,
	otlptranslator.NoUTF8EscapingWithSuffixes, otlptranslator.NoTranslation,
}

// Whatever the metrics and the settings: the samples are those of Prometheus' own converter.
func TestSamplesArePrometheus(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := translate.Settings{
			Strategy: strategies[r.IntN(len(strategies))], MaxFuture: 10 * time.Minute, TargetInfo: r.IntN(2) == 0, PromoteAll: r.IntN(4) == 0,
			ScopeLabels: r.IntN(2) == 0, CustomBuckets: r.IntN(2) == 0, Delta: r.IntN(2) == 0, Streams: r.IntN(2) == 0,
		}
		if r.IntN(2) == 0 {
			s.Promote = []string{"k8s.pod.name", "le", "attr.a"}
		}
		if r.IntN(2) == 0 {
			s.ExternalLabels = map[string]string{"region": "eu", "attr_a": "external", "job": "external", "otel_scope_version": "external"}
		}
		if r.IntN(4) == 0 {
			s.Namespace = "acme"
		}
		md := randomMetrics(r, s.Delta)
		if s.PromoteAll { // it keeps only the last of names that become equal, see TestNamesThatMeetAreJoined
			for _, rm := range md.ResourceMetrics().All() {
				rm.Resource().Attributes().Remove("attr_a")
			}
		}

		theirs := &recorder{}
		set := prometheusremotewrite.Settings{
			Namespace: s.Namespace, ExternalLabels: s.ExternalLabels, DisableTargetInfo: !s.TargetInfo, AddMetricSuffixes: s.Strategy.ShouldAddSuffixes(),
			AllowUTF8: !s.Strategy.ShouldEscape(), ConvertHistogramsToNHCB: s.CustomBuckets, AllowDeltaTemporality: s.Delta, PromoteScopeMetadata: s.ScopeLabels,
			LabelNameUnderscoreSanitization: true, LookbackDelta: 5 * time.Minute,
			PromoteResourceAttributes: prometheusremotewrite.NewPromoteResourceAttributes(config.OTLPConfig{PromoteAllResourceAttributes: s.PromoteAll, PromoteResourceAttributes: s.Promote}),
		}
		_, err := prometheusremotewrite.NewPrometheusConverter(theirs).FromMetrics(t.Context(), md, set)
		require.NoError(t, err, seed)
		ours := run(t, s, md)
		require.Zero(t, ours.Refused, seed)
		want, got := texts(theirs.samples), texts(ours.Samples)
		for i := range max(len(want), len(got)) { // one by one: all at once fill the screen
			require.Less(t, i, len(got), "seed %d: missing %s", seed, want[min(i, len(want)-1)])
			require.Less(t, i, len(want), "seed %d: too many %s", seed, got[i])
			require.Equal(t, want[i], got[i], "seed %d", seed)
		}
	}
}

// randomMetrics are metrics that Prometheus accepts without an error.
func randomMetrics(r *rand.Rand, delta bool) pmetric.Metrics {
	attributes := func(m pcommon.Map, names ...string) {
		for _, name := range names {
			switch r.IntN(6) {
			case 0:
				m.PutStr(name, "")
			case 1:
				m.PutInt(name, r.Int64N(3))
			case 2:
				m.PutBool(name, true)
			case 3, 4:
				m.PutStr(name, fmt.Sprint("value ", r.IntN(3)))
			}
		}
	}
	at := func() pcommon.Timestamp {
		return pcommon.NewTimestampFromTime(now.Add(-time.Duration(r.IntN(600)) * time.Second).Add(time.Duration(r.IntN(1e9))))
	}
	exemplars := func(xs pmetric.ExemplarSlice) {
		values := []float64{0.1, 0.7, 1, 3, 8}
		for _, v := range values[:r.IntN(len(values)+1)] {
			x := xs.AppendEmpty()
			x.SetTimestamp(at())
			x.SetDoubleValue(v)
			if r.IntN(2) == 0 {
				x.SetTraceID([16]byte{byte(r.IntN(255)), 1})
				x.SetSpanID([8]byte{2})
			}
			if r.IntN(2) == 0 {
				x.FilteredAttributes().PutStr("user", "u")
				x.FilteredAttributes().PutInt("n", r.Int64())
			}
		}
	}
	temporality := func() pmetric.AggregationTemporality {
		if delta && r.IntN(2) == 0 {
			return pmetric.AggregationTemporalityDelta
		}
		return pmetric.AggregationTemporalityCumulative
	}
	flags := func() pmetric.DataPointFlags {
		return pmetric.DefaultDataPointFlags.WithNoRecordedValue(r.IntN(8) == 0)
	}
	counts := func(max int) []uint64 {
		out := make([]uint64, r.IntN(max+1))
		for i := range out {
			if r.IntN(3) == 0 {
				out[i] = r.Uint64N(9)
			}
		}
		return out
	}
	pointNames := []string{"attr.a", "attr_a", "attr-a", "http.route", "job", "instance", "le", "region", "__name__", "otel_scope_version", "9x", "_u", "k8s_pod_name"}
	md := pmetric.NewMetrics()
	for range 1 + r.IntN(3) {
		rm := md.ResourceMetrics().AppendEmpty()
		attributes(rm.Resource().Attributes(), "service.name", "service.namespace", "service.instance.id", "k8s.pod.name", "attr.a", "attr_a", "le", "job")
		for range 1 + r.IntN(2) {
			sm := rm.ScopeMetrics().AppendEmpty()
			sm.SetSchemaUrl([]string{"", "url"}[r.IntN(2)])
			sm.Scope().SetName([]string{"", "lib"}[r.IntN(2)])
			sm.Scope().SetVersion([]string{"", "1"}[r.IntN(2)])
			attributes(sm.Scope().Attributes(), "attr.a", "version")
			for range r.IntN(5) {
				m := sm.Metrics().AppendEmpty()
				m.SetName([]string{"m", "a.b", "a_b", "http.server.duration", "x_total", "9"}[r.IntN(6)])
				m.SetUnit([]string{"", "s", "By", "1", "{thing}", "By/s"}[r.IntN(6)])
				m.SetDescription([]string{"", "Help."}[r.IntN(2)])
				kind := r.IntN(5)
				n := 1 + r.IntN(3)
				switch kind {
				case 0, 1:
					ps := pmetric.NewNumberDataPointSlice()
					for range n {
						p := ps.AppendEmpty()
						p.SetTimestamp(at())
						if r.IntN(2) == 0 {
							p.SetStartTimestamp(p.Timestamp() - 1e9)
						}
						p.SetFlags(flags())
						attributes(p.Attributes(), pointNames...)
						if r.IntN(2) == 0 {
							p.SetIntValue(r.Int64())
						} else {
							p.SetDoubleValue(r.NormFloat64())
						}
						if kind == 1 {
							exemplars(p.Exemplars())
						}
					}
					if kind == 0 {
						ps.CopyTo(m.SetEmptyGauge().DataPoints())
						continue
					}
					m.SetEmptySum().SetIsMonotonic(r.IntN(2) == 0)
					m.Sum().SetAggregationTemporality(temporality())
					ps.CopyTo(m.Sum().DataPoints())
				case 2:
					m.SetEmptyHistogram().SetAggregationTemporality(temporality())
					for range n {
						p := m.Histogram().DataPoints().AppendEmpty()
						p.SetTimestamp(at())
						p.SetStartTimestamp(p.Timestamp() - 1e9)
						p.SetFlags(flags())
						attributes(p.Attributes(), pointNames...)
						p.SetCount(r.Uint64N(100))
						if r.IntN(2) == 0 || p.Flags().NoRecordedValue() { // see TestNoRecordedValueIsStale
							p.SetSum(r.Float64())
						}
						p.ExplicitBounds().FromRaw([]float64{0.5, 1, 2.5, 1e9}[:r.IntN(5)])
						p.BucketCounts().FromRaw(counts(5))
						exemplars(p.Exemplars())
					}
				case 3:
					m.SetEmptyExponentialHistogram().SetAggregationTemporality(temporality())
					for range n {
						p := m.ExponentialHistogram().DataPoints().AppendEmpty()
						p.SetTimestamp(at())
						p.SetFlags(flags())
						attributes(p.Attributes(), pointNames...)
						p.SetCount(r.Uint64N(100))
						if r.IntN(2) == 0 {
							p.SetSum(r.Float64())
						}
						p.SetZeroCount(r.Uint64N(3))
						p.SetScale(int32(r.IntN(13) - 4)) // finer ones: TestBucketsStayWhereTheyAre
						p.Positive().SetOffset(int32(r.IntN(400) - 200))
						p.Positive().BucketCounts().FromRaw(counts(20))
						p.Negative().SetOffset(int32(r.IntN(400) - 200))
						p.Negative().BucketCounts().FromRaw(counts(20))
						exemplars(p.Exemplars())
					}
				default:
					m.SetEmptySummary()
					for range n {
						p := m.Summary().DataPoints().AppendEmpty()
						p.SetTimestamp(at())
						p.SetFlags(flags())
						attributes(p.Attributes(), pointNames...)
						p.SetCount(3)
						p.SetSum(r.Float64())
						for _, q := range []float64{0, 0.5, 0.99, 1}[:r.IntN(5)] {
							v := p.QuantileValues().AppendEmpty()
							v.SetQuantile(q)
							v.SetValue(r.Float64())
						}
					}
				}
			}
		}
	}
	return md
}

// Scaled down or not, every observation is in the native bucket around the OTLP bucket that it was in. Prometheus' converter is no
// reference here: when it scales down, it misplaces counts that follow an empty bucket (v0.313.2).
func TestBucketsStayWhereTheyAre(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		scale, offset := r.IntN(19)-4, r.IntN(60)-30
		counts := make([]uint64, 1+r.IntN(40))
		var total uint64
		for i := range counts {
			if r.IntN(3) == 0 {
				counts[i] = 1 + r.Uint64N(5)
				total += counts[i]
			}
		}
		b := run(t, defaults(), shop(func(ms pmetric.MetricSlice) {
			m := ms.AppendEmpty()
			m.SetName("h")
			m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			p := m.ExponentialHistogram().DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(now))
			p.SetScale(int32(scale))
			p.SetCount(total)
			p.Positive().SetOffset(int32(offset))
			p.Positive().BucketCounts().FromRaw(counts)
		}))
		h := b.Samples[0].Histogram
		require.NoError(t, h.Validate(), seed)
		want := map[int]uint64{} // by the index of the native bucket: (base^(index-1), base^index]
		down := scale - int(h.Schema)
		for i, n := range counts {
			upper := math.Ldexp(float64(offset+i+1), -down) // the bucket's upper bound, as an exponent of the native base
			if n > 0 {
				want[int(math.Ceil(upper))] += n
			}
		}
		got := map[int]uint64{}
		for it := h.PositiveBucketIterator(); it.Next(); {
			if n := it.At(); n.Count > 0 {
				got[int(n.Index)] = n.Count
			}
		}
		require.Equal(t, want, got, "seed %d", seed)
	}
}

// Whatever can be decoded is translated or refused, and every sample can be stored.
func TestDamagedMetrics(t *testing.T) {
	decoded := 0
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 3))
		raw, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(randomMetrics(r, true))
		require.NoError(t, err)
		for range 1 + r.IntN(8) {
			raw[r.IntN(len(raw))] = byte(r.IntN(256))
		}
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(raw)
		if err != nil {
			continue
		}
		decoded++
		b := run(t, translate.Settings{Strategy: strategies[r.IntN(len(strategies))], MaxFuture: time.Hour, TargetInfo: true, PromoteAll: true, ScopeLabels: true, CustomBuckets: r.IntN(2) == 0, Delta: true, Streams: true}, md)
		for _, s := range b.Samples {
			require.True(t, s.Labels.IsValid(model.UTF8Validation), "seed %d: %s", seed, s.Labels)
			_, twice := s.Labels.HasDuplicateLabelNames()
			require.False(t, twice, "seed %d: %s", seed, s.Labels)
			require.NotEmpty(t, s.Labels.Get("__name__"), seed)
		}
	}
	require.Greater(t, decoded, 1000)
}
