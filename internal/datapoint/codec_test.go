package datapoint_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
)

func TestCodecRoundTrip(t *testing.T) {
	full := histogram([]float64{-1, 0.5, math.Inf(1)}, 1, 0, 1<<60, 4)
	full.Sum, full.HasSum, full.Min, full.HasMin = math.Pi, true, -3, true
	expo := exponentialOf(4, -7, 0, 1, 2, 1e9)
	expo.ZeroThreshold = 1e-9

	for _, n := range []datapoint.Number{{}, datapoint.Int(math.MinInt64), datapoint.Float(math.Inf(-1))} {
		var got datapoint.Number
		rest, err := got.Decode(append(n.Append(nil), "rest"...))
		require.NoError(t, err)
		assert.Equal(t, n, got)
		assert.Equal(t, "rest", string(rest))
	}
	for _, h := range []datapoint.Histogram{{}, histogram(nil, 7), full} {
		var got datapoint.Histogram
		rest, err := got.Decode(append(h.Append(nil), "rest"...))
		require.NoError(t, err)
		assert.Equal(t, h, got)
		assert.Equal(t, "rest", string(rest))
	}
	for _, e := range []datapoint.Exponential{{}, expo} {
		var got datapoint.Exponential
		rest, err := got.Decode(append(e.Append(nil), "rest"...))
		require.NoError(t, err)
		assert.Equal(t, e, got)
		assert.Equal(t, "rest", string(rest))
	}
	s, gotSummary := datapoint.Summary{Count: 3, Sum: -1.5}, datapoint.Summary{}
	rest, err := gotSummary.Decode(append(s.Append(nil), "rest"...))
	require.NoError(t, err)
	assert.Equal(t, s, gotSummary)
	assert.Equal(t, "rest", string(rest))

	exemplars, gotExemplars := pmetric.NewExemplarSlice(), pmetric.NewExemplarSlice()
	exemplars.AppendEmpty().FilteredAttributes().PutStr("user", "x")
	exemplars.AppendEmpty().SetDoubleValue(2)
	rest, err = datapoint.DecodeExemplars(append(datapoint.AppendExemplars(nil, exemplars), "rest"...), gotExemplars)
	require.NoError(t, err)
	assert.Equal(t, exemplars.Len(), gotExemplars.Len())
	assert.Equal(t, exemplars.At(0).FilteredAttributes().AsRaw(), gotExemplars.At(0).FilteredAttributes().AsRaw())
	assert.InDelta(t, 2, gotExemplars.At(1).DoubleValue(), 0)
	assert.Equal(t, "rest", string(rest))

	for cut := range expo.Append(nil) {
		var got datapoint.Exponential
		_, err := got.Decode(expo.Append(nil)[:cut])
		require.ErrorIs(t, err, datapoint.ErrCorrupt, "cut at %d", cut)
	}
}

// Whatever decodes can be merged and written again.
func FuzzDecode(f *testing.F) {
	h := histogram([]float64{1, 2}, 1, 2, 3)
	e := exponentialOf(4, -7, 0, 1, 2, 1e9)
	f.Add(h.Append(nil))
	f.Add(e.Append(nil))
	f.Add(datapoint.AppendExemplars(nil, pmetric.NewExemplarSlice()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var n datapoint.Number
		if _, err := n.Decode(b); err == nil {
			n.Add(n).Append(nil)
		}
		var hist datapoint.Histogram
		if _, err := hist.Decode(b); err == nil {
			other := h
			other.Add(hist)
			hist.Sub(other)
		}
		var expo datapoint.Exponential
		if _, err := expo.Decode(b); err == nil {
			expo.Reduce(160)
			other := exponentialOf(4, -7, 0, 1, 2, 1e9)
			other.Add(expo, 160)
			if len(other.Positive.Counts) > 160 || len(other.Negative.Counts) > 160 {
				t.Fatalf("%d and %d buckets", len(other.Positive.Counts), len(other.Negative.Counts))
			}
			expo.Sub(other)
		}
		_, _ = datapoint.DecodeExemplars(b, pmetric.NewExemplarSlice())
	})
}
