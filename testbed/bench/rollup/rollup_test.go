package rollup

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompb"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/streamaggr"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/intervalprocessor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"golang.org/x/sys/unix"

	"github.com/penstockhq/penstock/processors/windowrollupprocessor"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

const (
	batchPoints  = 1000
	groupBatches = 10 // requests in flight
	rounds       = 4  // points of a stream in the window
	attributes   = 8
)

// work is what both sides do.
type work struct {
	name    string
	counter bool
	ours    string // aggregates, and by
	theirs  string // outputs, and by
	peer    func(testing.TB, work, *input) side
}

var works = []work{
	{"counters", true, "aggregates: [increase, last]", "outputs: [increase, last]", newVictoria},
	{"counters-by-3", true, "aggregates: [increase], by: [service.name, attribute.2, attribute.5]", "outputs: [increase], by: [service.name, attribute.2, attribute.5]", newVictoria},
	{"gauges", false, "aggregates: [avg, min, max, last, count]", "outputs: [avg, min, max, last, count_samples]", newVictoria},
	{"gauges-p50-p99", false, "aggregates: [p50, p99]", `outputs: ["quantiles(0.5,0.99)"]`, newVictoria},
	{"interval", true, "aggregates: [last]", "", newInterval},
}

// side is one of the two. push takes the points of a round and returns the CPU time that took; flush closes the window.
type side struct {
	push  func(round int) time.Duration
	take  func(pmetric.Metrics)  // of a processor: one batch
	sent  *func(pmetric.Metrics) // of a processor: sees its output
	flush func() (points int, took time.Duration)
}

// BenchmarkAgainst fills a window with four points of every stream and closes it. Making the input is not timed, and no more of it
// is alive than groupBatches requests: the garbage collector's scans of it would fall to the side that allocates more. Reported
// are medians: nanoseconds a point, of ours and of the peer, and how many times faster ours is, closing included. pdata-ns is what pdata
// alone takes of ours to allocate the points that come out: a copy of them.
func BenchmarkAgainst(b *testing.B) {
	for _, w := range works {
		for _, streams := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/streams=%d", w.name, streams), func(b *testing.B) {
				input := newInput(w, streams)
				var ours, theirs, ratio, floor []float64
				for b.Loop() {
					o := fill(b, newOurs(b, w, input), streams)
					t := fill(b, w.peer(b, w, input), streams)
					ours, theirs, ratio = append(ours, o), append(theirs, t), append(ratio, t/o)
					floor = append(floor, written(b, w, input, streams))
				}
				measure.Report(b, ours, "ns/point")
				measure.Report(b, floor, "pdata-ns/point")
				measure.Report(b, theirs, "peer-ns/point")
				measure.Report(b, ratio, "x-faster")
			})
		}
	}
}

// BenchmarkLinear is ours alone, up to a million streams: CPU of the thread for a point of a stream that is known, with batches
// that are made one after the other, since all at once would fill the memory; and of the process for a closed value. The
// streams come in the order of the round before, as most senders write them, or in another, as those that keep them in a hash
// map do.
func BenchmarkLinear(b *testing.B) {
	for _, shuffled := range []bool{false, true} {
		for _, streams := range []int{10_000, 100_000, 1_000_000} {
			linear(b, streams, shuffled)
		}
	}
}

func linear(b *testing.B, streams int, shuffled bool) {
	b.Run(fmt.Sprintf("shuffled=%t/streams=%d", shuffled, streams), func(b *testing.B) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		in := &input{work: works[0], begin: time.Now().Truncate(time.Hour), batches: streams / batchPoints}
		in.settings = "max_streams: 2000000\n"
		var point, closed []float64
		for b.Loop() {
			s := newOurs(b, in.work, in)
			var took time.Duration
			for round := range 3 {
				in.step = 1
				if shuffled {
					in.step = []int{1, 7919, 104729}[round] // primes, so that it is a permutation
				}
				for batch := range in.batches {
					md := in.metrics(batch)
					in.set(md, batch, round)
					before := cpu(unix.RUSAGE_THREAD)
					s.take(md)
					if round > 0 {
						took += cpu(unix.RUSAGE_THREAD) - before
					}
				}
			}
			points, flushed := s.flush()
			point = append(point, float64(took.Nanoseconds())/float64(2*streams))
			closed = append(closed, float64(flushed.Nanoseconds())/float64(points))
		}
		measure.Report(b, point, "ns/point")
		measure.Report(b, closed, "ns/closed")
	})
}

// BenchmarkBytes tells the live heap that a stream with one open window takes: after a round, and for what further windows add
// see the component's own benchmark.
func BenchmarkBytes(b *testing.B) {
	for _, w := range works {
		for _, streams := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/streams=%d", w.name, streams), func(b *testing.B) {
				input := newInput(w, streams)
				var ours, theirs, ratio []float64
				for b.Loop() {
					o := held(streams, func() side { return newOurs(b, w, input) })
					t := held(streams, func() side { return w.peer(b, w, input) })
					ours, theirs, ratio = append(ours, o), append(theirs, t), append(ratio, t/o)
				}
				measure.Report(b, ours, "B/stream")
				measure.Report(b, theirs, "peer-B/stream")
				measure.Report(b, ratio, "x-smaller")
			})
		}
	}
}

// fill returns the time a point takes.
func fill(tb testing.TB, s side, streams int) float64 {
	tb.Helper()
	var total time.Duration
	for round := range rounds {
		total += s.push(round)
	}
	points, took := s.flush()
	require.Positive(tb, points)
	return float64((total + took).Nanoseconds()) / float64(streams*rounds)
}

// written returns the time of copying the output, for each input point.
func written(tb testing.TB, w work, in *input, streams int) float64 {
	tb.Helper()
	var total time.Duration
	s := newOurs(tb, w, in)
	*s.sent = func(md pmetric.Metrics) {
		total += spent(func() { md.CopyTo(pmetric.NewMetrics()) })
	}
	s.push(0)
	s.push(1)
	s.flush()
	return float64(total.Nanoseconds()) / float64(streams*rounds)
}

// held returns the bytes that a stream takes before the window closes.
func held(streams int, start func() side) float64 {
	before := live()
	s := start()
	for round := range 2 {
		s.push(round)
	}
	after := live()
	s.flush()
	return float64(after-before) / float64(streams)
}

func live() int64 {
	runtime.GC()
	runtime.GC() // The second collection frees the content of pools.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// input makes the points of all streams, in either form.
type input struct {
	work
	settings string // of ours, beside the rule
	begin    time.Time
	batches  int
	step     int      // between neighbours; 0 and 1: they come in order
	otlp     [][]byte // requests without values: nothing for the garbage collector to look at
}

func newInput(w work, streams int) *input {
	in := &input{work: w, begin: time.Now().Truncate(time.Hour), batches: streams / batchPoints}
	var to pmetric.ProtoMarshaler
	for batch := range in.batches {
		request, err := to.MarshalMetrics(in.metrics(batch))
		if err != nil {
			panic(err)
		}
		in.otlp = append(in.otlp, request)
	}
	return in
}

func labels(i int) (names, values []string) {
	for k := range attributes - 1 {
		names, values = append(names, fmt.Sprint("attribute.", k)), append(values, fmt.Sprint("value-", i%(k+2)))
	}
	return append(names, "client.id"), append(values, fmt.Sprintf("client-%07d", i))
}

// stream returns the stream that comes at place i.
func (in *input) stream(i int) int { return i * max(in.step, 1) % (in.batches * batchPoints) }

func (in *input) metrics(batch int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "orders")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("http.requests")
	for i := batch * batchPoints; i < (batch+1)*batchPoints; i++ {
		dp := in.points(m).AppendEmpty()
		names, values := labels(in.stream(i))
		for k := range names {
			dp.Attributes().PutStr(names[k], values[k])
		}
	}
	return md
}

// points returns those of m, which becomes a counter or a gauge.
func (in *input) points(m pmetric.Metric) pmetric.NumberDataPointSlice {
	switch {
	case m.Type() == pmetric.MetricTypeSum:
		return m.Sum().DataPoints()
	case m.Type() == pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints()
	case in.counter:
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		return m.Sum().DataPoints()
	default:
		return m.SetEmptyGauge().DataPoints()
	}
}

// value of stream i in a round: counters grow, gauges spread over three powers of ten.
func value(i, round int) float64 { return float64((i*7919+round*104729)%1000 + 1000*round) }

func (in *input) at(round int) time.Time {
	return in.begin.Add(time.Duration(round) * 15 * time.Second)
}

// batch returns a request with the values of a round.
func (in *input) batch(batch, round int) pmetric.Metrics {
	var from pmetric.ProtoUnmarshaler
	md, err := from.UnmarshalMetrics(in.otlp[batch])
	if err != nil {
		panic(err)
	}
	in.set(md, batch, round)
	return md
}

// series is batch for the peer.
func (in *input) series(batch, round int) []prompb.TimeSeries {
	list := series(batch)
	for i := range list {
		list[i].Samples[0] = prompb.Sample{Value: value(batch*batchPoints+i, round), Timestamp: in.at(round).UnixMilli()}
	}
	return list
}

// inGroups makes all batches, a group at a time, and returns the time that take takes for them.
func inGroups[B any](batches int, make func(batch int) B, take func(B)) (total time.Duration) {
	for from := 0; from < batches; from += groupBatches {
		var group []B
		for batch := from; batch < min(from+groupBatches, batches); batch++ {
			group = append(group, make(batch))
		}
		total += spent(func() {
			for _, b := range group {
				take(b)
			}
		})
	}
	return total
}

// set gives the points of a batch the values of a round.
func (in *input) set(md pmetric.Metrics, batch, round int) {
	points := in.points(md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0))
	for i, dp := range points.All() {
		dp.SetStartTimestamp(pcommon.NewTimestampFromTime(in.begin))
		dp.SetTimestamp(pcommon.NewTimestampFromTime(in.at(round)))
		dp.SetDoubleValue(value(in.stream(batch*batchPoints+i), round))
	}
}

func series(batch int) []prompb.TimeSeries {
	var list []prompb.TimeSeries
	for i := batch * batchPoints; i < (batch+1)*batchPoints; i++ {
		names, values := labels(i)
		ls := []prompb.Label{{Name: "__name__", Value: "http.requests"}}
		for k := range names {
			ls = append(ls, prompb.Label{Name: names[k], Value: values[k]})
		}
		ls = append(ls, prompb.Label{Name: "service.name", Value: "orders"})
		slices.SortFunc(ls, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) })
		list = append(list, prompb.TimeSeries{Labels: ls, Samples: []prompb.Sample{{}}})
	}
	return list
}

// newOurs is window_rollup without storage: its shutdown closes and sends everything.
func newOurs(tb testing.TB, w work, in *input) side {
	tb.Helper()
	cfg := windowrollupprocessor.NewFactory().CreateDefaultConfig()
	text := in.settings + "instance_id: bench\nrules: [{windows: [{size: 1h}], keep_raw: false, " + w.ours + "}]"
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(tb, err)
	conf, err := retrieved.AsConf()
	require.NoError(tb, err)
	require.NoError(tb, conf.Unmarshal(cfg))
	require.NoError(tb, confmap.Validate(cfg))
	return processorSide(tb, windowrollupprocessor.NewFactory(), cfg, in)
}

// newInterval is contrib's interval processor, which keeps the newest point of each stream; its shutdown sends them.
func newInterval(tb testing.TB, _ work, in *input) side {
	tb.Helper()
	cfg := intervalprocessor.NewFactory().CreateDefaultConfig()
	cfg.(*intervalprocessor.Config).Interval = time.Hour
	return processorSide(tb, intervalprocessor.NewFactory(), cfg, in)
}

func processorSide(tb testing.TB, factory processor.Factory, cfg component.Config, in *input) side {
	tb.Helper()
	sent, seen := 0, func(pmetric.Metrics) {}
	next, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		sent += md.DataPointCount()
		seen(md)
		return nil
	})
	require.NoError(tb, err)
	p, err := factory.CreateMetrics(tb.Context(), processortest.NewNopSettings(factory.Type()), cfg, next)
	require.NoError(tb, err)
	require.NoError(tb, p.Start(tb.Context(), componenttest.NewNopHost()))
	take := func(md pmetric.Metrics) {
		if err := p.ConsumeMetrics(tb.Context(), md); err != nil {
			panic(err)
		}
	}
	return side{
		push: func(round int) time.Duration {
			return inGroups(in.batches, func(batch int) pmetric.Metrics { return in.batch(batch, round) }, take)
		},
		sent: &seen,
		take: take,
		flush: func() (int, time.Duration) {
			took := spent(func() { require.NoError(tb, p.Shutdown(context.Background())) })
			return sent, took
		},
	}
}

// newVictoria is the stream aggregation of vmagent.
func newVictoria(tb testing.TB, w work, in *input) side {
	tb.Helper()
	sent := 0
	config := "[{interval: 1h, " + w.theirs + "}]"
	aggregators, err := streamaggr.LoadFromData([]byte(config), func(tss []prompb.TimeSeries) { sent += len(tss) },
		&streamaggr.Options{FlushOnShutdown: true, NoAlignFlushToInterval: true}, "bench")
	require.NoError(tb, err)
	var matched []uint32
	return side{
		push: func(round int) time.Duration {
			return inGroups(in.batches, func(batch int) []prompb.TimeSeries { return in.series(batch, round) },
				func(list []prompb.TimeSeries) { matched = aggregators.Push(list, matched) })
		},
		flush: func() (int, time.Duration) {
			took := spent(aggregators.MustStop)
			return sent, took
		},
	}
}

// spent returns the CPU time of the process for f, which neither other processes nor the garbage of making the input
// change.
func spent(f func()) time.Duration {
	runtime.GC()
	before := cpu(unix.RUSAGE_SELF)
	f()
	return cpu(unix.RUSAGE_SELF) - before
}

func cpu(who int) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
