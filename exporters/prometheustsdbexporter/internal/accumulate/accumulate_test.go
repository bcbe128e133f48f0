package accumulate_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/internal/streamkey"
)

var (
	set   = accumulate.Settings{MaxStreams: 3, Idle: time.Hour, Undo: true}
	epoch = time.Unix(1_800_000_000, 0)
	limit = epoch.Add(1000 * time.Hour)
)

// names maps streams to the series named by the attribute "stream"; the attribute "pid" is not a label.
type names struct{}

func (names) Series(rm pmetric.ResourceMetrics, _ pmetric.ScopeMetrics, m pmetric.Metric, attributes pcommon.Map) (streamkey.Key, bool) {
	name, _ := attributes.Get("stream")
	return streamkey.StringAttribute(m.Name(), name.Str()), m.Name() != ""
}

func batch() accumulate.Batch { return accumulate.Batch{Names: names{}, Limit: limit} }

// p is a delta point of a stream, at minute at, of value v.
type p struct {
	stream string
	at     int
	v      int64
}

func minute(at int) pcommon.Timestamp {
	return pcommon.NewTimestampFromTime(epoch.Add(time.Duration(at) * time.Minute))
}

// delta is the points in one entry of one request.
func delta(points ...p) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("orders")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for _, p := range points {
		dp := m.Sum().DataPoints().AppendEmpty()
		dp.Attributes().PutStr("stream", p.stream)
		dp.SetStartTimestamp(minute(p.at - 1))
		dp.SetTimestamp(minute(p.at))
		dp.SetIntValue(p.v)
	}
	return md
}

func points(md pmetric.Metrics) pmetric.NumberDataPointSlice {
	return md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
}

// at moves the points of md after their minute.
func at(md pmetric.Metrics, behind ...time.Duration) pmetric.Metrics {
	for i, d := range behind {
		dp := points(md).At(i)
		dp.SetTimestamp(dp.Timestamp() + pcommon.Timestamp(d))
	}
	return md
}

// totals is the rest of md: cumulative points, the minute in which each began, and the time after its minute.
func totals(md pmetric.Metrics) (got []string) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			for _, dp := range m.Sum().DataPoints().All() {
				s, _ := dp.Attributes().Get("stream")
				since := dp.Timestamp().AsTime().Sub(epoch)
				text := fmt.Sprintf("%s@%d-%d", s.Str(), dp.StartTimestamp().AsTime().Sub(epoch)/time.Minute, since/time.Minute)
				if since %= time.Minute; since > 0 {
					text += "+" + since.String()
				}
				got = append(got, fmt.Sprintf("%s=%d", text, dp.IntValue()))
			}
		}
	}
	return got
}

// apply returns the result for md, and the refused points.
func apply(s *accumulate.State, md pmetric.Metrics) ([]string, [accumulate.NumReasons]int) {
	o := s.Apply(md, batch())
	return totals(md), o.Refused
}

// released is the output of s's outbox after a long silence.
func released(s *accumulate.State) (got []string) {
	s.Advance(epoch, true, delivery.Unbounded())
	s.Advance(epoch.Add(time.Hour), true, delivery.Unbounded())
	for r, ok := s.Outbox(); ok; r, ok = s.Outbox() {
		got = append(got, totals(r.Metrics)...)
		s.Sent()
	}
	return got
}

type refused = [accumulate.NumReasons]int

func TestOneTotalAPoint(t *testing.T) {
	s := accumulate.New(set)
	md := delta(p{"a", 1, 5}, p{"b", 1, 7}, p{"a", 2, 1}, p{"c", 1, 1}, p{"d", 1, 1})
	got, why := apply(s, md)
	assert.Equal(t, []string{"a@0-1=5", "b@0-1=7", "a@0-2=6", "c@0-1=1"}, got)
	assert.Equal(t, refused{accumulate.StreamLimit: 1}, why)
	assert.Equal(t, 3, s.Streams())
	m := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
	assert.Equal(t, pmetric.AggregationTemporalityCumulative, m.Sum().AggregationTemporality())
	assert.False(t, accumulate.HasDelta(md))
}

// Three pods under one resource, in step: every point counts, in one request and in three.
func TestEqualTimeIsNoEqualPoint(t *testing.T) {
	for _, together := range []bool{true, false} {
		s := accumulate.New(set)
		var last string
		for step := range 12 {
			pods := []p{{"a", step + 1, 10}, {"a", step + 1, 20}, {"a", step + 1, 30}}
			if together {
				got, why := apply(s, delta(pods...))
				require.Zero(t, why)
				last = got[2]
				continue
			}
			for _, pod := range pods {
				got, why := apply(s, delta(pod))
				require.Zero(t, why)
				last = got[0]
			}
		}
		assert.Equal(t, "a@0-12+2ms=720", last)
	}
}

// A point that equals one of another entry in stream, start, time and value was sent twice. Points of one entry never repeat each other,
// and neither do those of a record that took part in de-duplication.
func TestRepetitions(t *testing.T) {
	equal := p{"a", 1, 5}
	s := accumulate.New(set)
	got, why := apply(s, delta(equal, equal))
	assert.Equal(t, []string{"a@0-1=5", "a@0-1+1ms=10"}, got, "one entry")
	assert.Zero(t, why)
	got, why = apply(s, delta(equal, equal))
	assert.Empty(t, got)
	assert.Equal(t, refused{accumulate.Repeated: 2}, why, "a request that is sent again")
	got, why = apply(s, delta(p{"a", 1, 6}))
	assert.Equal(t, []string{"a@0-1+2ms=16"}, got, "another value")
	assert.Zero(t, why)
	other := delta(equal)
	points(other).At(0).SetStartTimestamp(minute(-5))
	got, why = apply(s, other)
	assert.Equal(t, []string{"a@0-1+3ms=21"}, got, "another start")
	assert.Zero(t, why)
	other = delta(equal)
	points(other).At(0).Attributes().PutInt("pid", 7)
	got, why = apply(s, other)
	assert.Equal(t, []string{"a@0-1+4ms=26"}, got, "another stream of the same series")
	assert.Zero(t, why)

	md := delta(equal)
	b := batch()
	b.Records = []origin.Record{{Number: 1, Deduplicated: true}}
	assert.Zero(t, s.Apply(md, b).Refused)
	assert.Equal(t, []string{"a@0-1+5ms=31"}, totals(md))
}

// A repeated request is recognized, however many points of a stream are in it and whatever came in between.
func TestLongRequestsAreKnownAgain(t *testing.T) {
	request := func(from int) pmetric.Metrics {
		var all []p
		for i := range 100 {
			all = append(all, p{"a", from + i, 1})
		}
		return delta(all...)
	}
	s := accumulate.New(set)
	for _, step := range []struct{ from, repeated int }{{1, 0}, {101, 0}, {1, 100}, {101, 100}, {201, 0}, {101, 100}} {
		_, why := apply(s, request(step.from))
		require.Equal(t, refused{accumulate.Repeated: step.repeated}, why, "from %d", step.from)
		var b bytes.Buffer
		require.NoError(t, s.Snapshot(&b))
		s = accumulate.New(set)
		require.NoError(t, s.Restore(&b), "and over restarts")
	}
}

// An overtaken point counts: with the next sample of its series, or with one of its own after a while.
func TestLatePointsCount(t *testing.T) {
	s := accumulate.New(set)
	got, why := apply(s, delta(p{"a", 10, 5}, p{"a", 12, 1}, p{"a", 11, 2}, p{"a", 9, 4}, p{"a", 13, 1}))
	assert.Zero(t, why)
	assert.Equal(t, []string{"a@9-10=5", "a@9-12=6", "a@9-13=13"}, got)
	assert.Empty(t, released(s), "the sample of minute 13 has taken both along")

	got, _ = apply(s, delta(p{"a", 11, 3}))
	assert.Empty(t, got)
	due, _ := s.Advance(epoch, true, delivery.Unbounded())
	assert.False(t, due, "not at once: a checkpoint for each would be dear")
	due, _ = s.Advance(epoch.Add(time.Hour), false, delivery.Unbounded())
	assert.False(t, due, "more is coming")
	assert.Equal(t, []string{"a@9-13+1ms=16"}, released(s))
	assert.Empty(t, released(s))
	got, _ = apply(s, delta(p{"a", 14, 1}))
	assert.Equal(t, []string{"a@9-14=17"}, got)
}

// More points than milliseconds: samples never run away from the time of points, and nothing is lost.
func TestSamplesStayWithTheirPoints(t *testing.T) {
	s := accumulate.New(set)
	var sent, most int64
	for ms := range 50 {
		for request := range 2 {
			var all []p
			var behind []time.Duration
			for i := range 10 {
				all = append(all, p{"a", 1, int64(1 + request*10 + i)})
				behind = append(behind, time.Duration(ms)*time.Millisecond)
				sent += all[i].v
			}
			md := at(delta(all...), behind...)
			o := s.Apply(md, batch())
			require.Zero(t, o.Refused)
			for _, dp := range points2(md) {
				lead := dp.Timestamp().AsTime().Sub(epoch.Add(time.Minute + time.Duration(ms)*time.Millisecond))
				require.LessOrEqual(t, lead, 9*time.Millisecond)
				require.Less(t, most, dp.IntValue())
				most = dp.IntValue()
			}
		}
	}
	assert.Equal(t, []string{fmt.Sprintf("a@0-1+59ms=%d", sent)}, released(s), "the last, 10 ms behind the newest point")
}

// points2 is empty where Apply has taken the metric out.
func points2(md pmetric.Metrics) (all []pmetric.NumberDataPoint) {
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		for _, dp := range m.Sum().DataPoints().All() {
			all = append(all, dp)
		}
	}
	return all
}

// Prometheus has one sample a millisecond.
func TestPointsOfOneMillisecond(t *testing.T) {
	s := accumulate.New(set)
	got, _ := apply(s, at(delta(p{"a", 1, 5}, p{"a", 1, 2}, p{"a", 2, 1}), 0, 1))
	assert.Equal(t, []string{"a@0-1=5", "a@0-1+1ms=7", "a@0-2=8"}, got)
}

func TestPointsOlderThanWhatIsRememberedAreRefused(t *testing.T) {
	s := accumulate.New(set)
	_, why := apply(s, delta(p{"a", 100, 5}, p{"a", 39, 1}, p{"a", 40, 1}))
	assert.Equal(t, refused{accumulate.OutOfOrder: 1}, why)
}

// Two processes that become one series have one total: its steps are those of both.
func TestStreamsOfOneSeriesAddUp(t *testing.T) {
	s := accumulate.New(set)
	var got []string
	for step := range 20 {
		for pid, v := range []int64{100, 1} {
			md := delta(p{"a", step + 1, v})
			points(md).At(0).Attributes().PutInt("pid", int64(pid))
			got, _ = apply(s, md)
		}
	}
	assert.Equal(t, []string{"a@0-20+1ms=2020"}, got)
	assert.Equal(t, 2, s.Streams())
}

// A value that is not finite would stay in the total forever; so would two finite ones whose sum is not.
func TestTotalsStayFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64} {
		s := accumulate.New(set)
		md := delta(p{"a", 1, 7}, p{"a", 2, 0}, p{"a", 3, 7})
		points(md).At(1).SetDoubleValue(bad)
		if bad == math.MaxFloat64 {
			points(md).At(0).SetDoubleValue(bad)
			points(md).At(2).SetDoubleValue(-bad)
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().SetIsMonotonic(false)
		}
		assert.Equal(t, refused{accumulate.NotFinite: 1}, s.Apply(md, batch()).Refused, "%v", bad)
		if bad != math.MaxFloat64 {
			assert.Equal(t, []string{"a@0-1=7", "a@0-3=14"}, totals(md))
		}
	}
}

// A missing value is not zero: flagged, it ends its series, at a time that the series has free; else it is refused.
func TestNoValue(t *testing.T) {
	s := accumulate.New(set)
	md := delta(p{"a", 1, 7}, p{"a", 2, 0}, p{"a", 3, 7}, p{"a", 3, 0}, p{"b", 1, 0})
	untold := pmetric.NewNumberDataPoint()
	points(md).At(1).Attributes().CopyTo(untold.Attributes())
	untold.SetTimestamp(minute(2))
	untold.CopyTo(points(md).At(1))
	for _, i := range []int{3, 4} {
		points(md).At(i).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	}
	got, why := apply(s, md)
	assert.Equal(t, []string{"a@0-1=7", "a@0-3=14", "a@0-3+1ms=14", "b@0-1=0"}, got)
	assert.Equal(t, refused{accumulate.NoValue: 1}, why)
	assert.True(t, points(md).At(2).Flags().NoRecordedValue())

	old := delta(p{"a", 1, 0})
	points(old).At(0).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	_, why = apply(s, old)
	assert.Equal(t, refused{accumulate.NoValue: 1}, why, "it would end the series too late")
}

func TestIdleSeriesBeginAgain(t *testing.T) {
	s := accumulate.New(set)
	apply(s, delta(p{"a", 1, 5}, p{"b", 1, 7}))
	got, _ := apply(s, delta(p{"b", 70, 1}, p{"a", 71, 2}))
	assert.Equal(t, []string{"b@69-70=1", "a@70-71=2"}, got)
	assert.Equal(t, 2, s.Streams())
}

func TestUndo(t *testing.T) {
	s := accumulate.New(set)
	apply(s, delta(p{"a", 3, 5}))
	apply(s, delta(p{"a", 4, 5}, p{"a", 5, 5}, p{"a", 1, 5}, p{"b", 3, 1}))
	s.Undo()
	assert.Equal(t, 1, s.Streams())
	assert.Empty(t, released(s), "nothing waits")
	got, why := apply(s, delta(p{"a", 4, 5}))
	assert.Equal(t, []string{"a@2-4=10"}, got)
	assert.Zero(t, why)
}

func TestPointsThatAreRefusedLaterChangeNothing(t *testing.T) {
	s := accumulate.New(set)
	md := delta(p{"a", 1, 5}, p{"a", 100, 5}, p{"a", 2, 1})
	points(md).At(0).SetTimestamp(0)
	b := batch()
	b.Limit = epoch.Add(time.Hour)
	s.Apply(md, b)
	assert.Equal(t, []string{"a@99-100=5", "a@1-2=1"}, totals(md)[1:])
}

// Equal streams of two tenants are two, whether or not their series are.
func TestTenants(t *testing.T) {
	s := accumulate.New(set)
	for i, tenant := range []string{"x", "y"} {
		b := batch()
		b.Tenant = tenant
		md := delta(p{"a", 1, 5})
		assert.Zero(t, s.Apply(md, b).Refused)
		assert.Equal(t, int64(5*(i+1)), points(md).At(0).IntValue())
	}
	b := batch()
	b.Tenant = "y"
	assert.Zero(t, s.Apply(delta(p{"a", 5, 1}), b).Refused)
	s.Apply(delta(p{"a", 3, 1}), b)
	s.Advance(delivery.Unbounded(), true, delivery.Unbounded())
	r, ok := s.Outbox()
	require.True(t, ok)
	assert.Equal(t, "y", r.Tenant)
}

// A state of an earlier version continues: totals stay unchanged, and with version 1 late points are refused until the records that it may
// have seen have been read.
func TestFormerStates(t *testing.T) {
	for version := 1; version <= 2; version++ {
		raw, err := os.ReadFile(fmt.Sprintf("testdata/v%d.state", version))
		require.NoError(t, err)
		s := accumulate.New(accumulate.Settings{MaxStreams: 3, Idle: time.Hour})
		require.NoError(t, s.Restore(bytes.NewReader(raw))) // a: 5 in minute 1, and in minute 3 11, or 6
		var b bytes.Buffer
		require.NoError(t, s.Snapshot(&b), "and a crash before anything comes")
		s = accumulate.New(accumulate.Settings{MaxStreams: 3, Idle: time.Hour})
		require.NoError(t, s.Restore(&b))
		if version == 1 {
			_, why := apply(s, delta(p{"a", 2, 1}))
			assert.Equal(t, refused{accumulate.OutOfOrder: 1}, why)
		}
		s.Adopt()
		got, why := apply(s, delta(p{"a", 2, 1}, p{"a", 4, 1}))
		assert.Zero(t, why)
		assert.Equal(t, []string{fmt.Sprintf("a@0-4=%d", []int{13, 8}[version-1])}, got)
		if version == 2 {
			got, _ = apply(s, delta(p{"b", 3, 1}))
			assert.Equal(t, []string{"b@1-3=8"}, got)
			md := latency(1, point{count: 3, sum: 2.5, bounds: []float64{1}, counts: []uint64{2, 1}})
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Histogram().DataPoints().At(0).SetTimestamp(minute(2))
			s.Apply(md, batch())
			assert.EqualValues(t, 6, histograms(md).At(0).Count())
		}
	}
}

// However the points are cut into batches, with however many restores between them, the samples are the same.
func TestBatchesAndRestoresMakeNoDifference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	entries := make([][]p, 300)
	for i := range entries {
		for range 1 + r.IntN(12) {
			entries[i] = append(entries[i], p{fmt.Sprint(r.IntN(2)), i/4 + r.IntN(5), r.Int64N(3)})
		}
	}
	join := func(entries [][]p) pmetric.Metrics {
		md := pmetric.NewMetrics()
		for _, e := range entries {
			delta(e...).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
		}
		return md
	}
	whole := join(entries)
	accumulate.New(set).Apply(whole, batch())
	want := totals(clean(whole))
	for range 20 {
		s := accumulate.New(set)
		var got []string
		for rest := entries; len(rest) > 0; {
			n := min(1+r.IntN(60), len(rest))
			md := join(rest[:n])
			s.Apply(md, batch())
			got = append(got, totals(clean(md))...)
			rest = rest[n:]
			if r.IntN(3) == 0 {
				var b bytes.Buffer
				require.NoError(t, s.Snapshot(&b))
				s.Apply(delta(p{"0", 10_000, 1}), batch()) // everything after the snapshot is forgotten
				s = accumulate.New(set)
				require.NoError(t, s.Restore(&b))
			}
		}
		require.Equal(t, want, got)
	}
}

// clean takes out resources whose metrics are gone.
func clean(md pmetric.Metrics) pmetric.Metrics {
	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool { return rm.ScopeMetrics().At(0).Metrics().Len() == 0 })
	return md
}

// Waiting increases and the outbox survive.
func TestSnapshotsHoldWhatIsToLeave(t *testing.T) {
	s := accumulate.New(set)
	apply(s, delta(p{"a", 5, 5}, p{"a", 3, 1}, p{"b", 5, 7}))
	restored := func() *accumulate.State {
		var b bytes.Buffer
		require.NoError(t, s.Snapshot(&b))
		for cut := range b.Len() {
			require.Error(t, accumulate.New(set).Restore(bytes.NewReader(b.Bytes()[:cut])), "cut at %d", cut)
		}
		s = accumulate.New(set)
		require.NoError(t, s.Restore(&b))
		return s
	}
	restored().Advance(epoch, true, delivery.Unbounded())
	due, out := s.Advance(epoch.Add(time.Hour), true, delivery.Unbounded())
	assert.True(t, due)
	assert.Equal(t, epoch.Add(5*time.Minute+time.Millisecond).UTC(), out)
	r, ok := restored().Outbox()
	require.True(t, ok)
	assert.Equal(t, []string{"a@4-5+1ms=6"}, totals(r.Metrics))
}

func FuzzRestore(f *testing.F) {
	for _, md := range []pmetric.Metrics{delta(p{"a", 1, 5}), delta(p{"a", 5, 5}, p{"a", 3, 1}), latency(1, point{count: 1, bounds: []float64{1}, counts: []uint64{1, 0}})} {
		s := accumulate.New(set)
		s.Apply(md, batch())
		var b bytes.Buffer
		require.NoError(f, s.Snapshot(&b))
		f.Add(b.Bytes())
	}
	f.Fuzz(func(_ *testing.T, raw []byte) {
		s := accumulate.New(set)
		if s.Restore(bytes.NewReader(raw)) == nil { // any answer, no panic, no endless loop
			s.Advance(delivery.Unbounded(), true, delivery.Unbounded())
		}
	})
}

func ExampleState() {
	s := accumulate.New(accumulate.Settings{MaxStreams: 1000, Idle: time.Hour})
	for _, points := range [][]p{{{"a", 1, 5}, {"a", 1, 2}}, {{"a", 2, 1}}} {
		md := delta(points...)
		s.Apply(md, accumulate.Batch{Names: names{}, Limit: limit})
		fmt.Println(totals(md))
	}
	// Output:
	// [a@0-1=5 a@0-1+1ms=7]
	// [a@0-2=8]
}
