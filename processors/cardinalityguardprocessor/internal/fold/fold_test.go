package fold_test

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/fold"
)

const (
	width  = 10 * time.Second
	second = int64(time.Second)
	began  = 1000 * second
)

var limits = fold.Limits{Streams: 100, StreamsPerMetric: 10, Contributors: 1000, Exemplars: 2}

func key(n uint64) streamkey.Key { return streamkey.Key{Hi: n, Lo: ^n} }

// identity is that of a counter, or for a gauge aggregation of a gauge.
func identity(n uint64, agg fold.Aggregation, monotonic bool) fold.Identity {
	id := fold.Identity{Key: key(n), Metric: key(n), Node: 1, Aggregation: agg, Monotonic: monotonic, Template: pmetric.NewMetrics()}
	m := id.Template.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("requests")
	if agg > fold.Running {
		m.SetEmptyGauge().DataPoints().AppendEmpty()
		return id
	}
	m.SetEmptySum().DataPoints().AppendEmpty()
	return id
}

func number(v int64) fold.Value {
	dp := pmetric.NewNumberDataPoint()
	dp.SetIntValue(v)
	return fold.FromNumber(dp)
}

func point(contributor uint64, start, at, v int64) fold.Point {
	return fold.Point{Key: key(1000 + contributor), Start: began + start*second, Time: began + at*second, Value: number(v), Since: began}
}

// put folds points into the stream called n and returns the last outcome.
func put(f *fold.Fold, id fold.Identity, points ...fold.Point) (o fold.Outcome) {
	sh := f.Lock(id.Node)
	defer sh.Unlock()
	s := sh.Stream(id.Key)
	if s == nil {
		s = sh.Add(id)
	}
	for _, p := range points {
		o = sh.Fold(s, p)
	}
	return o
}

// sent returns time and value of all points, as seconds since began: "9.999:5".
func sent(batches []fold.Batch) (list []string) {
	for _, b := range batches {
		m := b.Metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
		var dps pmetric.NumberDataPointSlice
		if m.Type() == pmetric.MetricTypeSum {
			dps = m.Sum().DataPoints()
		} else {
			dps = m.Gauge().DataPoints()
		}
		for _, dp := range dps.All() {
			at := time.Duration(int64(dp.Timestamp()) - began)
			list = append(list, fmt.Sprintf("%v:%v", at.Truncate(time.Millisecond), datapoint.FromNumber(dp).Float64()))
		}
	}
	return list
}

func TestRunningTotals(t *testing.T) {
	cases := []struct {
		name      string
		monotonic bool
		points    []fold.Point
		want      []string
		last      datapoint.Step
	}{
		{"two contributors that are new", true, []fold.Point{point(1, 1, 2, 5), point(2, 1, 3, 7)}, []string{"0s:0", "9.999s:12"}, datapoint.Begun},
		{"older than we: a baseline", true, []fold.Point{point(1, -9, 2, 500), point(1, -9, 3, 503)}, []string{"0s:0", "9.999s:3"}, datapoint.Grown},
		{"reset", true, []fold.Point{point(1, 1, 2, 5), point(1, 1, 3, 2)}, []string{"0s:0", "9.999s:7"}, datapoint.Reset},
		{"overtaken", true, []fold.Point{point(1, 1, 4, 9), point(1, 1, 3, 5)}, []string{"0s:0", "9.999s:9"}, datapoint.Stale},
		{"later pane", true, []fold.Point{point(1, 1, 2, 5), point(1, 1, 12, 6)}, []string{"0s:0", "9.999s:5", "19.999s:6"}, datapoint.Grown},
		{"sum of latest values", false, []fold.Point{point(1, -9, 2, 50), point(2, -9, 3, 7), point(1, -9, 4, 20)}, []string{"9.999s:27"}, datapoint.Grown},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := fold.New(limits, width, began)
			o := put(f, identity(1, fold.Running, c.monotonic), c.points...)
			assert.Equal(t, c.last, o.Step)
			batches, _ := f.Advance(began + 100*second)
			assert.Equal(t, c.want, sent(batches))
		})
	}
}

func TestGaugesAndDeltas(t *testing.T) {
	for agg, want := range map[fold.Aggregation][]string{
		fold.Delta: {"9.999s:12", "19.999s:1"}, fold.Last: {"9.999s:2", "19.999s:1"}, fold.Min: {"9.999s:2", "19.999s:1"},
		fold.Max: {"9.999s:7", "19.999s:1"}, fold.Mean: {"9.999s:4", "19.999s:1"},
	} {
		f := fold.New(limits, width, began)
		put(f, identity(1, agg, true), point(1, 0, 5, 2), point(2, 0, 3, 7), point(3, 0, 4, 3), point(1, 0, 15, 1))
		batches, _ := f.Advance(began + 100*second)
		assert.Equal(t, want, sent(batches), "aggregation %d", agg)
	}
}

// A total starts with its first pane, but not before the state did; what is older than the state starts at its own time.
func TestStartOfTotals(t *testing.T) {
	for began, want := range map[int64][]string{
		began - 100*second: {"0s:0", "9.999s:5"},
		began + 4*second:   {"4s:0", "9.999s:5"},
		began + 100*second: {"0s:0", "9.999s:5"},
	} {
		f := fold.New(limits, width, began)
		p := point(1, 1, 5, 5)
		p.Since = 0
		put(f, identity(1, fold.Running, true), p)
		batches, _ := f.Advance(began + 1000*second)
		assert.Equal(t, want, sent(batches))
	}
}

// An increase for a closed pane goes into the oldest open one.
func TestLatePointsMoveOn(t *testing.T) {
	f := fold.New(limits, width, began)
	id := identity(1, fold.Delta, true)
	put(f, id, point(1, 0, 5, 2))
	batches, closed := f.Advance(began + 12*second)
	assert.Equal(t, []string{"9.999s:2"}, sent(batches))
	assert.Equal(t, began+10*second, closed)
	o := put(f, id, point(1, 0, 6, 3))
	assert.True(t, o.Late)
	batches, _ = f.Advance(began + 20*second)
	assert.Equal(t, []string{"19.999s:3"}, sent(batches))
}

// A late gauge is an additional point, and changes no later value; a restart in between makes no difference.
func TestLateGaugesKeepTheirTime(t *testing.T) {
	for agg, want := range map[fold.Aggregation][]string{
		fold.Last: {"3s:8", "16s:4", "39.999s:7"}, fold.Min: {"3s:8", "16s:1", "39.999s:7"}, fold.Max: {"3s:8", "16s:4", "39.999s:7"}, fold.Mean: {"3s:8", "16s:2.5", "39.999s:7"},
	} {
		f := fold.New(limits, width, began)
		id := identity(1, agg, false)
		put(f, id, point(1, 0, 25, 5))
		batches, _ := f.Advance(began + 30*second)
		assert.Equal(t, []string{"29.999s:5"}, sent(batches))
		o := put(f, id, point(2, 0, 14, 1), point(2, 0, 3, 8), point(2, 0, 16, 4), point(1, 0, 35, 7))
		assert.False(t, o.Late)
		assert.True(t, put(f, id, point(3, 0, 3, 8)).Late)
		state, err := f.Append(nil)
		require.NoError(t, err)
		restored := fold.New(limits, width, began)
		_, err = restored.Decode(state)
		require.NoError(t, err)
		for _, f := range []*fold.Fold{f, restored} {
			batches, _ = f.Advance(began + 40*second)
			assert.Equal(t, want, sent(batches))
		}
	}
}

// A negative increase of a monotonic stream would make totals fall; others accept it.
func TestWhatOnlyGrowsDoesNotFall(t *testing.T) {
	for monotonic, want := range map[bool][]string{true: {"9.999s:5"}, false: {"9.999s:2"}} {
		f := fold.New(limits, width, began)
		id := identity(1, fold.Delta, monotonic)
		put(f, id, point(1, 0, 5, 5))
		o := put(f, id, point(2, 0, 6, -3))
		assert.Equal(t, monotonic, o.Refusal == fold.Negative)
		batches, _ := f.Advance(began + 12*second)
		assert.Equal(t, want, sent(batches))
	}
}

// What late gauges cost until the next Advance is bounded.
func TestLateGaugesAreBounded(t *testing.T) {
	f := fold.New(limits, width, began)
	id := identity(1, fold.Last, false)
	f.Advance(began + 100_000*second)
	refused := 0
	for range 2 {
		for i := range int64(3000) {
			if put(f, id, point(1, 0, 10*i, i)).Refusal == fold.TooLate {
				refused++
			}
		}
		batches, _ := f.Advance(began + 100_000*second)
		assert.Len(t, batches, 2048)
	}
	assert.Equal(t, 2*(3000-2048), refused)
}

// An unknown stream that began before the newest forgotten one may be that one: it counts as no increase.
func TestForgottenContributorsAreNotCountedTwice(t *testing.T) {
	small := limits
	small.Contributors = 2
	f := fold.New(small, width, began)
	id := identity(1, fold.Running, true)
	assert.Zero(t, put(f, id, point(1, 1, 2, 5), point(2, 1, 3, 7)).Evicted)
	assert.Equal(t, 1, put(f, id, point(3, 4, 5, 1)).Evicted)
	o := put(f, id, point(1, 1, 6, 6))
	assert.Equal(t, datapoint.Baseline, o.Step, "it was counted up to 5 before")
	assert.Equal(t, datapoint.Begun, put(f, id, point(4, 6, 7, 1)).Step, "this one began after all that were forgotten")
	assert.EqualValues(t, 2, f.Contributors())
}

// A metric that has used all places can't keep another one from being counted: every shard has a fair share, the limit is exceeded by at
// most one share, and a shard with more than a share shrinks.
func TestContributorsOfOneMetricLeaveRoomForOthers(t *testing.T) {
	small := limits
	small.Contributors = 160 // A share is 10.
	f := fold.New(small, width, began)
	one, other := identity(1, fold.Running, true), identity(2, fold.Running, true)
	other.Node = 2
	for c := range uint64(200) {
		put(f, one, point(c, 1, 2, 5))
	}
	assert.EqualValues(t, 160, f.Contributors())
	for at := range int64(5) {
		for c := range uint64(10) {
			o := put(f, other, point(500+c, 1, 3+at, 7*(at+1)))
			assert.Zero(t, o.Evicted)
			assert.LessOrEqual(t, f.Contributors(), int64(170))
		}
	}
	assert.Equal(t, 10, put(f, one, point(199, 1, 3, 5)).Evicted, "the metric with more than its share pays")
	assert.EqualValues(t, 160, f.Contributors())
	assert.Equal(t, 1, put(f, other, point(600, 1, 3, 5)).Evicted, "past its share it pays itself")
	put(f, one, point(300, 1, 3, 5))
	assert.EqualValues(t, 160, f.Contributors())
}

// What is left at the end gets its newest time, so that a fold that continues in the same pane has later times.
func TestFinish(t *testing.T) {
	f := fold.New(limits, width, began)
	put(f, identity(1, fold.Running, true), point(1, 1, 3, 5), point(1, 1, 12, 6))
	assert.Equal(t, []string{"0s:0", "3s:5", "12s:6"}, sent(f.Finish()))

	f = fold.New(limits, width, began+4*second)
	p := point(1, 1, 3, 5)
	p.Since = 0
	put(f, identity(1, fold.Running, true), p)
	assert.Equal(t, []string{"4s:0", "4s:5"}, sent(f.Finish()), "one nanosecond behind the first point")
}

// A stream without a value any more leaves the sum of latest values, but its increases stay.
func TestEnd(t *testing.T) {
	for monotonic, want := range map[bool][]string{true: {"0s:0", "9.999s:12"}, false: {"9.999s:7"}} {
		f := fold.New(limits, width, began)
		put(f, identity(1, fold.Running, monotonic), point(1, 1, 2, 5), point(2, 1, 3, 7))
		sh := f.Lock(1)
		assert.False(t, sh.End(key(1001), began+second), "an overtaken end")
		assert.Equal(t, !monotonic, sh.End(key(1001), began+4*second))
		assert.False(t, sh.End(key(1003), began+4*second), "not known")
		sh.Unlock()
		batches, _ := f.Advance(began + 10*second)
		assert.Equal(t, want, sent(batches))
	}
}

// A value that is not finite would stay in a total forever, and spoil a pane whose deltas are accumulated downstream.
func TestTotalsStayFinite(t *testing.T) {
	double := func(at int64, v float64) fold.Point {
		dp := pmetric.NewNumberDataPoint()
		dp.SetDoubleValue(v)
		p := point(1, 1, at, 0)
		p.Value = fold.FromNumber(dp)
		return p
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for agg, want := range map[fold.Aggregation][]string{
			fold.Running: {"0s:0", "9.999s:7"}, fold.Delta: {"9.999s:12"}, fold.Mean: {"9.999s:6"},
		} {
			f := fold.New(limits, width, began)
			assert.Equal(t, fold.NotFinite, put(f, identity(1, agg, true), point(1, 1, 2, 5), double(3, v)).Refusal)
			assert.Equal(t, fold.Taken, put(f, identity(1, agg, true), point(1, 1, 4, 7)).Refusal)
			batches, _ := f.Advance(began + 10*second)
			assert.Equal(t, want, sent(batches), "aggregation %d", agg)
		}
	}
	for _, agg := range []fold.Aggregation{fold.Min, fold.Max} {
		f := fold.New(limits, width, began)
		assert.Equal(t, fold.NotFinite, put(f, identity(1, agg, false), double(3, math.NaN())).Refusal)
		assert.Equal(t, fold.Taken, put(f, identity(1, agg, false), double(3, math.Inf(1))).Refusal, "the greatest there is")
	}
	f := fold.New(limits, width, began)
	assert.Equal(t, fold.NotFinite, put(f, identity(1, fold.Delta, false), double(2, 1e308), double(3, 1e308)).Refusal, "two that are finite")
}

// histogramPoint is one with 2 measurements a bucket; sum 0 is none.
func histogramPoint(contributor uint64, at int64, sum float64, counts []uint64, bounds ...float64) fold.Point {
	dp := pmetric.NewHistogramDataPoint()
	for _, c := range counts {
		dp.SetCount(dp.Count() + c)
	}
	if sum != 0 {
		dp.SetSum(sum)
	}
	dp.ExplicitBounds().FromRaw(bounds)
	dp.BucketCounts().FromRaw(counts)
	v, err := fold.FromHistogram(dp)
	if err != nil {
		panic(err)
	}
	p := point(contributor, 1, at, 0)
	p.Value = v
	return p
}

func histograms(agg fold.Aggregation) fold.Identity {
	id := identity(1, agg, true)
	id.Kind = fold.Histogram
	id.Template.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetEmptyHistogram().DataPoints().AppendEmpty()
	return id
}

// last returns the last histogram that is sent until then.
func last(f *fold.Fold, until int64) pmetric.HistogramDataPoint {
	batches, _ := f.Advance(began + until*second)
	dps := batches[len(batches)-1].Metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Histogram().DataPoints()
	return dps.At(dps.Len() - 1)
}

// A contributor with other bounds takes no bucket from the others: the stream has the bounds of all, now and in every later pane.
func TestContributorsWithOtherBounds(t *testing.T) {
	for _, agg := range []fold.Aggregation{fold.Running, fold.Delta} {
		f := fold.New(limits, width, began)
		o := put(f, histograms(agg), histogramPoint(1, 2, 5, []uint64{1, 2, 3}, 1, 2), histogramPoint(2, 3, 50, []uint64{4, 5, 6}, 10, 20))
		assert.False(t, o.Coarsened)
		dp := last(f, 10)
		assert.Equal(t, []float64{1, 2, 10, 20}, dp.ExplicitBounds().AsRaw())
		assert.Equal(t, []uint64{1, 2, 4, 5, 9}, dp.BucketCounts().AsRaw())
		assert.EqualValues(t, 21, dp.Count())
	}
	// A contributor that is deployed with other bounds, and has a new start time, counts whole; without a new start it counts with its
	// growth.
	f := fold.New(limits, width, began)
	deployed := histogramPoint(1, 13, 60, []uint64{7, 1, 0}, 10, 20)
	deployed.Start = began + 12*second
	grown := histogramPoint(1, 15, 61, []uint64{7, 1, 0, 1}, 10, 20, 30)
	grown.Start = deployed.Start
	put(f, histograms(fold.Running), histogramPoint(1, 2, 5, []uint64{1, 2, 3}, 1, 2))
	assert.Equal(t, datapoint.Reset, put(f, histograms(fold.Running), deployed).Step)
	assert.True(t, put(f, histograms(fold.Running), grown).Coarsened)
	dp := last(f, 20)
	assert.EqualValues(t, 6+8+1, dp.Count())
	assert.InDelta(t, 5+60+1, dp.Sum(), 1e-9)
}

// A histogram without a sum, or with one that is not finite, does not end a sum.
func TestSumsGoOnOverGaps(t *testing.T) {
	for _, agg := range []fold.Aggregation{fold.Running, fold.Delta} {
		f := fold.New(limits, width, began)
		bounds := []float64{1}
		first := put(f, histograms(agg), histogramPoint(1, 2, 2, []uint64{1, 0}, bounds...))
		none := put(f, histograms(agg), histogramPoint(2, 3, 0, []uint64{1, 0}, bounds...))
		nan := put(f, histograms(agg), histogramPoint(3, 4, math.NaN(), []uint64{1, 0}, bounds...))
		put(f, histograms(agg), histogramPoint(4, 5, 2, []uint64{1, 0}, bounds...))
		assert.Equal(t, fold.Outcome{Step: first.Step}, first)
		assert.True(t, none.NoSum)
		assert.True(t, nan.SumNotFinite)
		dp := last(f, 10)
		assert.True(t, dp.HasSum())
		assert.InDelta(t, 4, dp.Sum(), 1e-9)
		assert.EqualValues(t, 4, dp.Count())
	}
	// The next point of a cumulative contributor after a gap contains the sum since the point before the gap.
	f := fold.New(limits, width, began)
	put(f, histograms(fold.Running), histogramPoint(1, 2, 2, []uint64{1, 0}, 1), histogramPoint(1, 3, 0, []uint64{2, 0}, 1),
		histogramPoint(1, 4, 9, []uint64{3, 0}, 1))
	assert.InDelta(t, 9, last(f, 10).Sum(), 1e-9)
}

func TestCountsDontWrap(t *testing.T) {
	for _, agg := range []fold.Aggregation{fold.Running, fold.Delta} {
		f := fold.New(limits, width, began)
		half := []uint64{1 << 63, 0}
		o := put(f, histograms(agg), histogramPoint(1, 2, 1, half, 1), histogramPoint(2, 3, 1, half, 1))
		assert.Equal(t, fold.TooMany, o.Refusal)
		assert.EqualValues(t, uint64(1<<63), last(f, 10).Count())
	}
}

func TestExpire(t *testing.T) {
	f := fold.New(limits, width, began)
	put(f, identity(1, fold.Running, false), point(1, 0, 1, 50), point(2, 0, 30, 7))
	f.Advance(began + 40*second)
	f.Expire(began+20*second, func(uint32) { t.Error("no stream has left") })
	assert.EqualValues(t, 1, f.Contributors())
	batches, _ := f.Advance(began + 100*second)
	assert.Equal(t, []string{"49.999s:7"}, sent(batches), "the value of one that left is taken back")

	owned := identity(2, fold.Delta, true)
	owned.Owned = true
	put(f, owned, point(1, 0, 101, 1))
	f.Advance(began + 200*second)
	var left []uint32
	f.Expire(began+150*second, func(node uint32) { left = append(left, node) })
	assert.Equal(t, []uint32{1}, left)
	assert.EqualValues(t, 1, f.Streams(), "the first one has still to tell that its last contributor left")
}

// Every level of a verdict may use half of what the previous ones left.
func TestRoom(t *testing.T) {
	few := limits
	few.StreamsPerMetric, few.Streams = 8, 9
	f := fold.New(few, width, began)
	add := func(node uint32, level int) (n int) {
		sh := f.Lock(node)
		defer sh.Unlock()
		for {
			room, full := sh.Room(node, level)
			if !room || full {
				return n
			}
			id := identity(uint64(node)*1000+uint64(level)*100+uint64(n), fold.Delta, true)
			id.Node = node
			sh.Add(id)
			n++
		}
	}
	assert.Equal(t, 4, add(1, 0))
	assert.Equal(t, 2, add(1, 1))
	assert.Equal(t, 1, add(1, 2))
	assert.Equal(t, 2, add(2, 0), "all metrics together have used up the reserve")
}

// Panes that are open keep their width; new ones begin behind them.
func TestWidthChanges(t *testing.T) {
	f := fold.New(limits, width, began)
	id := identity(1, fold.Delta, true)
	put(f, id, point(1, 0, 5, 2), point(1, 0, 15, 3))
	f.SetWidth(time.Minute)
	put(f, id, point(1, 0, 16, 4), point(1, 0, 70, 5))
	batches, _ := f.Advance(began + 500*second)
	// 1000 s is 16:40 past the epoch: minutes end 20 s later.
	assert.Equal(t, []string{"9.999s:2", "19.999s:3", "1m19.999s:9"}, sent(batches))
}

func TestAppendDecode(t *testing.T) {
	f := fold.New(limits, width, began)
	for n := range uint64(20) {
		id := identity(n, fold.Aggregation(n%6), n%2 == 0)
		id.Node = uint32(n)
		id.Tenant, id.FromClient = "tenant", n%3 == 0
		p := point(n, 1, int64(n), int64(n))
		p.Exemplars = pmetric.NewExemplarSlice()
		p.Exemplars.AppendEmpty().SetTimestamp(pcommon.Timestamp(p.Time))
		put(f, id, p, point(n+100, 1, 3, 7))
	}
	f.Advance(began + 10*second)
	data, err := f.Append(nil)
	require.NoError(t, err)
	g := fold.New(limits, width, began)
	rest, err := g.Decode(append(data, "rest"...))
	require.NoError(t, err)
	assert.Equal(t, "rest", string(rest))
	assert.Equal(t, f.Streams(), g.Streams())
	assert.Equal(t, f.Contributors(), g.Contributors())
	for _, x := range []*fold.Fold{f, g} {
		for n := range uint64(20) {
			id := identity(n, fold.Aggregation(n%6), n%2 == 0)
			id.Node = uint32(n)
			put(x, id, point(n, 1, 22, int64(n)+5))
		}
	}
	want, _ := f.Advance(began + 100*second)
	got, _ := g.Advance(began + 100*second)
	require.Len(t, got, len(want))
	for i := range want {
		assert.Equal(t, want[i].Time, got[i].Time)
		assert.Equal(t, marshal(t, want[i].Metrics), marshal(t, got[i].Metrics))
	}
	for cut := range len(data) {
		if _, err := fold.New(limits, width, began).Decode(data[:cut]); err == nil {
			t.Fatalf("cut at %d: no error", cut)
		}
	}
}

func marshal(t *testing.T, md pmetric.Metrics) string {
	t.Helper()
	data, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(md)
	require.NoError(t, err)
	return string(data)
}

func FuzzDecode(f *testing.F) {
	x := fold.New(limits, width, began)
	put(x, identity(1, fold.Running, true), point(1, 1, 2, 5), point(2, 1, 13, 5))
	data, _ := x.Append(nil)
	f.Add(data)
	f.Fuzz(func(_ *testing.T, data []byte) {
		x := fold.New(limits, width, began)
		if _, err := x.Decode(data); err == nil {
			x.Advance(began + 100*second)
		}
	})
}

// The memory formula of the README, measured.
func TestContributorBytes(t *testing.T) {
	const n = 200_000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	many := limits
	many.Contributors = n
	f := fold.New(many, width, began)
	id := identity(1, fold.Running, true)
	before := heap()
	for i := range uint64(n) {
		put(f, id, point(i, 1, 2, 1))
	}
	per := float64(heap()-before) / n
	t.Logf("%.0f bytes a contributor", per)
	assert.Less(t, per, 160.0)
	runtime.KeepAlive(f)
}

func ExampleFold() {
	f := fold.New(limits, width, began)
	put(f, identity(1, fold.Running, true), point(1, 1, 2, 5), point(2, 1, 3, 7), point(1, 1, 12, 6))
	batches, _ := f.Advance(began + 20*second)
	fmt.Println(sent(batches))
	// Output: [0s:0 9.999s:12 19.999s:13]
}
