package accumulate_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
)

var (
	set   = accumulate.Settings{MaxStreams: 3, Idle: time.Hour}
	epoch = time.Unix(1_800_000_000, 0)
	limit = epoch.Add(1000 * time.Hour)
)

// p is a delta point of a stream, at minute at, of value v.
type p struct {
	stream string
	at     int
	v      int64
}

func delta(points ...p) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("orders")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for _, p := range points {
		dp := m.Sum().DataPoints().AppendEmpty()
		dp.Attributes().PutStr("stream", p.stream)
		t := epoch.Add(time.Duration(p.at) * time.Minute)
		dp.SetStartTimestamp(pcommon.NewTimestampFromTime(t.Add(-time.Minute)))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(t))
		dp.SetIntValue(p.v)
	}
	return md
}

// totals is what is left of md: cumulative points, and the minute that each began.
func totals(md pmetric.Metrics) (got []string) {
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		for _, dp := range m.Sum().DataPoints().All() {
			s, _ := dp.Attributes().Get("stream")
			minute := func(t pcommon.Timestamp) int { return int(t.AsTime().Sub(epoch) / time.Minute) }
			got = append(got, fmt.Sprintf("%s@%d-%d=%d", s.Str(), minute(dp.StartTimestamp()), minute(dp.Timestamp()), dp.IntValue()))
		}
	}
	return got
}

func TestOneTotalAPoint(t *testing.T) {
	s := accumulate.New(set)
	md := delta(p{"a", 1, 5}, p{"b", 1, 7}, p{"a", 2, 1}, p{"a", 2, 9}, p{"a", 1, 9}, p{"c", 1, 1}, p{"d", 1, 1})
	refused := s.Apply(md, limit)
	assert.Equal(t, []string{"a@0-1=5", "b@0-1=7", "a@0-2=6", "c@0-1=1"}, totals(md))
	assert.Equal(t, accumulate.Refused{accumulate.Repeated: 2, accumulate.StreamLimit: 1}, refused)
	assert.Equal(t, 3, s.Streams())
	m := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
	assert.Equal(t, pmetric.AggregationTemporalityCumulative, m.Sum().AggregationTemporality())
	assert.False(t, accumulate.HasDelta(md))
}

// A point that was overtaken counts: with the next sample, not with a second value for a time that has one.
func TestLatePointsCount(t *testing.T) {
	s := accumulate.New(set)
	md := delta(p{"a", 10, 5}, p{"a", 12, 1}, p{"a", 11, 2}, p{"a", 9, 4}, p{"a", 11, 2}, p{"a", 13, 1})
	refused := s.Apply(md, limit)
	assert.Equal(t, accumulate.Refused{accumulate.Repeated: 1}, refused)
	assert.Equal(t, []string{"a@9-10=5", "a@9-12=6", "a@9-12=8", "a@9-12=12", "a@9-13=13"}, totals(md))
	var times []time.Duration
	for _, dp := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
		times = append(times, dp.Timestamp().AsTime().Sub(epoch))
	}
	assert.Equal(t, []time.Duration{10 * time.Minute, 12 * time.Minute, 12*time.Minute + time.Millisecond, 12*time.Minute + 2*time.Millisecond, 13 * time.Minute}, times)
}

// Prometheus has one sample a millisecond.
func TestPointsOfOneMillisecond(t *testing.T) {
	s := accumulate.New(set)
	md := delta(p{"a", 1, 5}, p{"a", 1, 2}, p{"a", 2, 1})
	points := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
	points.At(1).SetTimestamp(points.At(1).Timestamp() + 1)
	assert.Zero(t, s.Apply(md, limit))
	assert.Equal(t, []string{"a@0-1=5", "a@0-1=7", "a@0-2=8"}, totals(md))
	assert.Equal(t, points.At(0).Timestamp().AsTime().Add(time.Millisecond), points.At(1).Timestamp().AsTime())
}

func TestPointsOlderThanWhatIsRememberedAreRefused(t *testing.T) {
	s := accumulate.New(set)
	refused := s.Apply(delta(p{"a", 100, 5}, p{"a", 39, 1}, p{"a", 40, 1}), limit)
	assert.Equal(t, accumulate.Refused{accumulate.OutOfOrder: 1}, refused)
}

// However points overtake each other, each that is not a repetition of the last ones counts once, and times go up.
func TestTotalsAreRightInAnyOrder(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := accumulate.New(set)
		var points []p
		want := map[string]int64{}
		for at := range 40 {
			x := p{fmt.Sprint(r.IntN(3)), at, r.Int64N(100)}
			points = append(points, x)
			want[x.stream] += x.v
		}
		for range 30 {
			i := r.IntN(len(points) - 4)
			j := i + r.IntN(5)
			points[i], points[j] = points[j], points[i]
		}
		for i := 4; i < len(points); i += 1 + r.IntN(9) {
			points = append(points[:i:i], append([]p{points[i-1-r.IntN(4)]}, points[i:]...)...) // sent twice
		}
		got, last := map[string]int64{}, map[string]pcommon.Timestamp{}
		md := delta(points...)
		refused := s.Apply(md, limit)
		require.Equal(t, len(points)-40, refused[accumulate.Repeated])
		for _, dp := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().All() {
			stream, _ := dp.Attributes().Get("stream")
			require.Greater(t, dp.Timestamp(), last[stream.Str()])
			got[stream.Str()], last[stream.Str()] = dp.IntValue(), dp.Timestamp()
		}
		require.Equal(t, want, got, "seed %d", seed)
	}
}

// A state of the version before goes on as that version did until the records are read that it may have seen.
func TestFormerStates(t *testing.T) {
	raw, err := os.ReadFile("testdata/v1.state")
	require.NoError(t, err)
	s := accumulate.New(set)
	require.NoError(t, s.Restore(bytes.NewReader(raw))) // a: 5 in minute 1, 6 in minute 3
	var b bytes.Buffer
	require.NoError(t, s.Snapshot(&b), "and a crash before that is so")
	s = accumulate.New(set)
	require.NoError(t, s.Restore(&b))
	md := delta(p{"a", 2, 1}, p{"a", 3, 6}, p{"a", 4, 1})
	refused := s.Apply(md, limit)
	assert.Equal(t, accumulate.Refused{accumulate.OutOfOrder: 1, accumulate.Repeated: 1}, refused)
	assert.Equal(t, []string{"a@0-4=12"}, totals(md))
	s.Adopt()
	md = delta(p{"a", 2, 1})
	s.Apply(md, limit)
	assert.Equal(t, []string{"a@0-4=13"}, totals(md))
}

func TestIdleStreamsBeginAgain(t *testing.T) {
	s := accumulate.New(set)
	s.Apply(delta(p{"a", 1, 5}, p{"b", 1, 7}), limit)
	md := delta(p{"b", 70, 1}, p{"a", 71, 2})
	s.Apply(md, limit)
	assert.Equal(t, []string{"b@69-70=1", "a@70-71=2"}, totals(md))
}

func TestUndo(t *testing.T) {
	s := accumulate.New(set)
	s.Apply(delta(p{"a", 1, 5}), limit)
	s.Apply(delta(p{"a", 2, 5}, p{"a", 3, 5}, p{"b", 3, 1}), limit)
	s.Undo()
	assert.Equal(t, 1, s.Streams())
	md := delta(p{"a", 2, 5})
	s.Apply(md, limit)
	assert.Equal(t, []string{"a@0-2=10"}, totals(md))
}

func TestPointsThatAreRefusedLaterChangeNothing(t *testing.T) {
	s := accumulate.New(set)
	md := delta(p{"a", 1, 5}, p{"a", 100, 5}, p{"a", 2, 1})
	md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).SetTimestamp(0)
	s.Apply(md, epoch.Add(time.Hour))
	got := totals(md)
	assert.Equal(t, []string{"a@99-100=5", "a@1-2=1"}, got[1:])
}

func TestHistograms(t *testing.T) {
	s := accumulate.New(set)
	for i := range 3 {
		md := pmetric.NewMetrics()
		ms := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
		at := pcommon.NewTimestampFromTime(epoch.Add(time.Duration(i) * time.Minute))
		m := ms.AppendEmpty()
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		h := m.Histogram().DataPoints().AppendEmpty()
		h.SetTimestamp(at)
		h.SetCount(3)
		h.SetSum(2.5)
		h.ExplicitBounds().FromRaw([]float64{1})
		h.BucketCounts().FromRaw([]uint64{2, 1})
		bad := m.Histogram().DataPoints().AppendEmpty()
		bad.SetTimestamp(at + 1)
		bad.SetCount(9)
		bad.BucketCounts().FromRaw([]uint64{1})
		m = ms.AppendEmpty()
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		e := m.ExponentialHistogram().DataPoints().AppendEmpty()
		e.SetTimestamp(at)
		e.SetCount(2)
		e.SetZeroCount(1)
		e.SetScale(int32(3 - i))
		e.Positive().BucketCounts().FromRaw([]uint64{1})
		refused := s.Apply(md, limit)
		assert.Equal(t, accumulate.Refused{accumulate.Malformed: 1}, refused)
		assert.Equal(t, uint64(3*(i+1)), h.Count())
		assert.InDelta(t, 2.5*float64(i+1), h.Sum(), 1e-9)
		assert.Equal(t, []uint64{uint64(2 * (i + 1)), uint64(i + 1)}, h.BucketCounts().AsRaw())
		assert.Equal(t, uint64(2*(i+1)), e.Count())
		assert.Equal(t, int32(3-i), e.Scale())
	}
}

// However the points are cut into batches, with however many restores between them, the samples are the same.
func TestBatchesAndRestoresMakeNoDifference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	points := make([]p, 500)
	for i := range points {
		points[i] = p{fmt.Sprint(r.IntN(5)), i/4 + r.IntN(5), r.Int64N(100)}
	}
	whole := delta(points...)
	accumulate.New(set).Apply(whole, limit)
	want := totals(whole)
	for range 20 {
		s := accumulate.New(set)
		var got []string
		for rest := points; len(rest) > 0; {
			n := min(1+r.IntN(60), len(rest))
			md := delta(rest[:n]...)
			s.Apply(md, limit)
			got = append(got, totals(md)...)
			rest = rest[n:]
			if r.IntN(3) == 0 {
				var b bytes.Buffer
				require.NoError(t, s.Snapshot(&b))
				s.Apply(delta(p{"0", 10_000, 1}), limit) // what came after the snapshot is forgotten
				s = accumulate.New(set)
				require.NoError(t, s.Restore(&b))
			}
		}
		require.Equal(t, want, got)
	}
}

func FuzzRestore(f *testing.F) {
	s := accumulate.New(set)
	s.Apply(delta(p{"a", 1, 5}), limit)
	var b bytes.Buffer
	require.NoError(f, s.Snapshot(&b))
	f.Add(b.Bytes())
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_ = accumulate.New(set).Restore(bytes.NewReader(raw)) // any answer, no panic, no endless loop
	})
}
