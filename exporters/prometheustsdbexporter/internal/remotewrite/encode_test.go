package remotewrite_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/remotewrite"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// random is a sample of any kind.
func random(r *rand.Rand) sample.Sample {
	b := labels.NewScratchBuilder(4)
	b.Add("__name__", fmt.Sprintf("metric_%d", r.IntN(9)))
	for i := range r.IntN(5) {
		b.Add(fmt.Sprintf("label_%d", i), fmt.Sprintf("wert ä %d", r.IntN(9)))
	}
	b.Sort()
	s := sample.Sample{Labels: b.Labels(), Time: 1_700_000_000_000 + r.Int64N(1e9), Value: r.NormFloat64()}
	s.Hash = s.Labels.Hash()
	if r.IntN(2) == 0 {
		s.Start = s.Time - r.Int64N(1e6)
	}
	if r.IntN(2) == 0 {
		s.Family = &sample.Family{Name: "metric", Metadata: metadata.Metadata{Type: model.MetricTypeCounter, Help: "Help.", Unit: "s"}}
	}
	for range r.IntN(3) {
		s.Exemplars = append(s.Exemplars, exemplar.Exemplar{
			Labels: labels.FromStrings("trace_id", fmt.Sprint(r.Uint64())), Value: r.Float64(), Ts: s.Time, HasTs: true,
		})
	}
	switch r.IntN(6) {
	case 0:
		s.Histogram = &histogram.Histogram{
			CounterResetHint: histogram.CounterResetHint(r.IntN(4)), Schema: int32(r.IntN(12) - 4), Count: r.Uint64(), Sum: r.NormFloat64(),
			ZeroThreshold: 1e-128, ZeroCount: r.Uint64N(9),
			PositiveSpans:   []histogram.Span{{Offset: -300, Length: 2}, {Offset: 4, Length: 1}},
			PositiveBuckets: []int64{r.Int64(), -r.Int64(), 1},
			NegativeSpans:   []histogram.Span{{Offset: 200, Length: 1}}, NegativeBuckets: []int64{5},
		}
	case 1:
		s.FloatHistogram = &histogram.FloatHistogram{
			CounterResetHint: histogram.GaugeType, Schema: 3, Count: r.Float64(), Sum: r.NormFloat64(), ZeroCount: r.Float64(), ZeroThreshold: 0.5,
			PositiveSpans: []histogram.Span{{Offset: 1, Length: 1}}, PositiveBuckets: []float64{r.Float64()},
		}
	case 2:
		s.Histogram = &histogram.Histogram{
			Schema: histogram.CustomBucketsSchema, Count: 3, Sum: 4, CustomValues: []float64{-1, 0, 2.5},
			PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []int64{1, 1},
		}
	case 3:
		s.Value = math.Float64frombits(value.StaleNaN)
	case 4:
		s.Value = 0
	}
	return s
}

func encode(t *testing.T, v remotewrite.Version, samples []sample.Sample) []byte {
	t.Helper()
	var e remotewrite.Encoder
	e.Reset(remotewrite.V2) // an encoder that was used before
	e.Add(&samples[0])
	e.Reset(v)
	for i := range samples {
		e.Add(&samples[i])
		e.AddFamily(samples[i].Family)
	}
	raw, err := snappy.Decode(nil, e.Finish(nil))
	require.NoError(t, err)
	require.Len(t, raw, e.Size())
	return raw
}

// Whatever is encoded, Prometheus' own messages decode to the same.
func TestWhatIsEncodedIsRead(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		samples := make([]sample.Sample, 1+r.IntN(20))
		for i := range samples {
			samples[i] = random(r)
		}
		b := labels.NewScratchBuilder(0)

		var one prompb.WriteRequest
		classic := slices.DeleteFunc(slices.Clone(samples), func(s sample.Sample) bool {
			return s.Histogram != nil && s.Histogram.Schema == histogram.CustomBucketsSchema
		})
		if len(classic) > 0 {
			require.NoError(t, proto.Unmarshal(encode(t, remotewrite.V1, classic), &one))
		}
		require.Len(t, one.Timeseries, len(classic))
		for i, ts := range one.Timeseries {
			s := classic[i]
			require.Equal(t, s.Labels, ts.ToLabels(&b, nil))
			require.Len(t, ts.Exemplars, len(s.Exemplars))
			for j, x := range ts.Exemplars {
				require.Equal(t, s.Exemplars[j], x.ToExemplar(&b, nil))
			}
			if len(ts.Histograms) == 1 {
				h := ts.Histograms[0]
				require.Equal(t, s.Time, h.Timestamp)
				requireHistogram(t, s, h.IsFloatHistogram(), h.ToIntHistogram, h.ToFloatHistogram)
				continue
			}
			require.Len(t, ts.Samples, 1)
			require.Equal(t, math.Float64bits(s.Value), math.Float64bits(ts.Samples[0].Value))
			require.Equal(t, s.Time, ts.Samples[0].Timestamp)
		}

		var two writev2.Request
		require.NoError(t, proto.Unmarshal(encode(t, remotewrite.V2, samples), &two))
		require.Empty(t, two.Symbols[0])
		seen := map[string]bool{}
		for _, s := range two.Symbols {
			require.False(t, seen[s], "symbols are distinct")
			seen[s] = true
		}
		require.Len(t, two.Timeseries, len(samples))
		for i, ts := range two.Timeseries {
			s := samples[i]
			ls, err := ts.ToLabels(&b, two.Symbols)
			require.NoError(t, err)
			require.Equal(t, s.Labels, ls)
			m, err := ts.ToMetadata(two.Symbols)
			require.NoError(t, err)
			want := metadata.Metadata{Type: model.MetricTypeUnknown}
			if s.Family != nil {
				want = s.Family.Metadata
			}
			require.Equal(t, want, m)
			for j, x := range ts.Exemplars {
				e, err := x.ToExemplar(&b, two.Symbols)
				require.NoError(t, err)
				require.Equal(t, s.Exemplars[j], e)
			}
			if len(ts.Histograms) == 1 {
				h := ts.Histograms[0]
				require.Equal(t, s.Time, h.Timestamp)
				require.Equal(t, s.Start, h.StartTimestamp)
				requireHistogram(t, s, h.IsFloatHistogram(), h.ToIntHistogram, h.ToFloatHistogram)
				continue
			}
			require.Equal(t, math.Float64bits(s.Value), math.Float64bits(ts.Samples[0].Value))
			require.Equal(t, s.Time, ts.Samples[0].Timestamp)
			require.Equal(t, s.Start, ts.Samples[0].StartTimestamp)
		}
	}
}

func requireHistogram(t *testing.T, s sample.Sample, isFloat bool, ints func() *histogram.Histogram, floats func() *histogram.FloatHistogram) {
	t.Helper()
	if s.FloatHistogram != nil {
		require.True(t, isFloat)
		require.True(t, s.FloatHistogram.Equals(floats()), "%v\n%v", s.FloatHistogram, floats())
		return
	}
	require.False(t, isFloat)
	require.True(t, s.Histogram.Equals(ints()), "%v\n%v", s.Histogram, ints())
	require.Equal(t, s.Histogram.CounterResetHint, ints().CounterResetHint)
}

func TestFamilyIsToldOnceInVersion1(t *testing.T) {
	f := &sample.Family{Name: "orders", Metadata: metadata.Metadata{Type: model.MetricTypeSummary, Help: "Orders.", Unit: "1"}}
	s := sample.Sample{Labels: labels.FromStrings("__name__", "orders_sum"), Time: 1, Family: f}
	var req prompb.WriteRequest
	require.NoError(t, proto.Unmarshal(encode(t, remotewrite.V1, []sample.Sample{s, s}), &req))
	assert.Equal(t, []prompb.MetricMetadata{{Type: prompb.MetricMetadata_SUMMARY, MetricFamilyName: "orders", Help: "Orders.", Unit: "1"}}, req.Metadata)
}
