package rollup_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/rollup"
)

var minute = window.Spec{Size: time.Minute, Hop: time.Minute}

// specOf is one rule under settings without limits.
func specOf(rule rollup.Rule, change ...func(*rollup.Settings)) rollup.Spec {
	set := rollup.Settings{
		AllowedLateness: 0, IdleTimeout: time.Minute, MaxFuture: time.Hour, OnLate: rollup.Drop, CorrectFor: time.Hour,
		StreamTimeout: time.Hour, MaxStreams: 1000, MaxInputStreams: 1000, MaxSources: 100, MaxBuckets: 160, Temporality: rollup.Delta,
	}
	for _, c := range change {
		c(&set)
	}
	return rollup.Spec{Settings: set, Rules: []rollup.Rule{rule}}
}

// box is a state and its output: "name attributes window start+size = value", times in seconds since epoch.
type box struct {
	t     *testing.T
	state *rollup.State
	sent  []string
}

func newBox(t *testing.T, spec rollup.Spec) *box {
	for _, r := range spec.Rules {
		require.NoError(t, r.Validate())
	}
	return &box{t: t, state: rollup.New(spec, "here", time.Unix(0, epoch))}
}

// add sends points of one stream at seconds since epoch, each as a batch of its own.
func (b *box) add(s *stream, value float64, seconds ...int64) (out rollup.Outcome) {
	for _, at := range seconds {
		e := event{s: s, at: epoch + at*second, start: epoch, value: value}
		o := b.state.Add(metrics([]event{e}), rollup.Sender{}, time.Unix(0, e.at), nil)
		merge(&out, o)
		out.Folded += o.Folded
		out.Corrected += o.Corrected
	}
	return out
}

func (b *box) advance() *box {
	b.state.Advance(time.Unix(0, epoch), false, time.Unix(0, math.MaxInt64))
	require.NoError(b.t, b.state.Render(1000, rollup.Signature{}, func(_ string, md pmetric.Metrics) error {
		b.note(md)
		return nil
	}))
	return b
}

func (b *box) close() []string {
	b.state.Advance(time.Unix(0, math.MaxInt64), true, time.Unix(0, math.MaxInt64))
	require.NoError(b.t, b.state.Render(1000, rollup.Signature{}, func(_ string, md pmetric.Metrics) error {
		b.note(md)
		return nil
	}))
	return b.take()
}

func (b *box) take() []string {
	sent := b.sent
	b.sent = nil
	return sent
}

func (b *box) note(md pmetric.Metrics) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			points := pmetric.NewNumberDataPointSlice()
			switch m.Type() {
			case pmetric.MetricTypeSum:
				points = m.Sum().DataPoints()
			case pmetric.MetricTypeGauge:
				points = m.Gauge().DataPoints()
			}
			for _, dp := range points.All() {
				v := dp.DoubleValue() + float64(dp.IntValue())
				dp.Attributes().Remove(rollup.WindowAttribute)
				start, end := int64(dp.StartTimestamp()), int64(dp.Timestamp())
				b.sent = append(b.sent, fmt.Sprintf("%s %v [%d, %d) = %v", m.Name(), dp.Attributes().AsRaw(), (start-epoch)/second, (end-epoch)/second, v))
			}
		}
	}
}

func (b *box) restart(spec rollup.Spec, adopt bool) {
	var saved bytes.Buffer
	require.NoError(b.t, b.state.Snapshot(&saved))
	b.state = rollup.New(spec, "here", time.Unix(0, epoch))
	require.NoError(b.t, b.state.Restore(&saved))
	if adopt {
		b.state.Adopt()
	}
}

var visits = &stream{form: deltaCounter, service: "shop", host: "a", route: "/", code: "200"}

// A missing value: a counter of 1000 and 1010 with nothing between has grown to 1010, and the mean of 10 and 20 is 15.
func TestWhatIsNotThereIsNoNumber(t *testing.T) {
	for _, flag := range []bool{true, false} {
		b := newBox(t, specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"avg", "increase"}}))
		lost := 0
		for i, values := range []map[form]float64{{counter: 1000, gauge: 10}, nil, {counter: 1010, gauge: 20}} {
			for _, f := range []form{counter, gauge} {
				s := *visits
				s.form = f
				e := event{s: &s, at: epoch + int64(i+1)*second, start: epoch, value: values[f], noValue: values == nil, untold: values == nil && !flag}
				lost += b.state.Add(metrics([]event{e}), rollup.Sender{}, time.Unix(0, e.at), nil).Why[rollup.NoValue]
			}
		}
		assert.Equal(t, []string{"metric.0.avg map[route:/] [0, 60) = 15", "metric.4.increase map[route:/] [0, 60) = 1010"}, b.close())
		assert.Equal(t, 2, lost)
	}
}

// A histogram without a sum, or with one that is not finite, does not end a sum, neither in its window nor in a running total.
func TestSumsGoOnOverGaps(t *testing.T) {
	b := newBox(t, specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum", "count"}},
		func(s *rollup.Settings) { s.Temporality = rollup.Cumulative }))
	var out rollup.Outcome
	for i, e := range []event{{}, {noSum: true}, {infinite: math.NaN()}, {}, {noSum: true}, {}} {
		e.s, e.at, e.samples, e.bounds = &stream{form: deltaHistogram, route: "/"}, epoch+int64(i)*25*second, []float64{2}, []float64{1}
		o := b.state.Add(metrics([]event{e}), rollup.Sender{}, time.Unix(0, e.at), nil)
		out.NoSum, out.SumNotFinite = out.NoSum+o.NoSum, out.SumNotFinite+o.SumNotFinite
	}
	assert.Equal(t, []string{
		"metric.5.sum map[route:/] [0, 60) = 2", "metric.5.sum map[route:/] [0, 120) = 4", "metric.5.sum map[route:/] [0, 180) = 6",
		"metric.5.count map[route:/] [0, 60) = 3", "metric.5.count map[route:/] [0, 120) = 5", "metric.5.count map[route:/] [0, 180) = 6",
	}, b.close())
	assert.Equal(t, 2, out.NoSum)
	assert.Equal(t, 1, out.SumNotFinite)
}

// A running total starts with the stream's first window and adds up window by window, across restarts.
func TestCumulative(t *testing.T) {
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum", "count"}},
		func(s *rollup.Settings) { s.Temporality = rollup.Cumulative })
	b := newBox(t, spec)
	b.add(visits, 5, 61, 70)
	b.add(visits, 1, 120, 200)
	b.advance()
	b.restart(spec, true)
	b.add(visits, 2, 201, 300)
	assert.Equal(t, []string{
		"metric.3.sum map[route:/] [60, 120) = 10", "metric.3.sum map[route:/] [60, 180) = 11", "metric.3.count map[route:/] [60, 120) = 2",
		"metric.3.count map[route:/] [60, 180) = 3", "metric.3.sum map[route:/] [60, 240) = 14", "metric.3.sum map[route:/] [60, 360) = 16",
		"metric.3.count map[route:/] [60, 240) = 5", "metric.3.count map[route:/] [60, 360) = 6",
	}, append(b.take(), b.close()...))
}

// With untrustworthy clocks, points count at the time of their arrival.
func TestProcessingTime(t *testing.T) {
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}},
		func(s *rollup.Settings) { s.ProcessingTime = true })
	b := newBox(t, spec)
	for i, at := range []int64{-1e6, 1e6, 0, 3} { // no clock is as wrong as these
		e := event{s: visits, at: max(epoch+at*second, 0), value: 1}
		out := b.state.Add(metrics([]event{e}), rollup.Sender{}, time.Unix(0, epoch+int64(i)*25*second), nil)
		require.Equal(t, 1, out.Rolled)
	}
	assert.Equal(t, []string{"metric.3.sum map[route:/] [0, 60) = 3", "metric.3.sum map[route:/] [60, 120) = 1"}, b.close())
}

func TestWhatIsWrongIsTold(t *testing.T) {
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute}, Aggregates: []string{"sum"}})
	spec.MaxInputStreams = 1
	now := time.Unix(0, epoch)
	point := func(change func(pmetric.Metric)) pmetric.Metrics {
		md := metrics([]event{{s: visits, at: epoch, value: 1}})
		change(md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0))
		return md
	}
	first := func(m pmetric.Metric) pmetric.NumberDataPoint { return m.Sum().DataPoints().At(0) }
	histogramOf := func(change func(pmetric.HistogramDataPoint)) func(pmetric.Metric) {
		return func(m pmetric.Metric) {
			m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			dp := m.Histogram().DataPoints().AppendEmpty()
			dp.SetTimestamp(1)
			change(dp)
		}
	}
	for name, c := range map[string]struct {
		change func(pmetric.Metric)
		why    rollup.Reason
	}{
		"no time":   {func(m pmetric.Metric) { first(m).SetTimestamp(0) }, rollup.NoTime},
		"tomorrow":  {func(m pmetric.Metric) { first(m).SetTimestamp(first(m).Timestamp() + 24*3600*1e9) }, rollup.Future},
		"year 2500": {func(m pmetric.Metric) { first(m).SetTimestamp(math.MaxUint64 - 1) }, rollup.Future},
		"no value":  {func(m pmetric.Metric) { first(m).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true)) }, rollup.NoValue},
		"no value, untold": {func(m pmetric.Metric) {
			dp := m.Sum().DataPoints().AppendEmpty()
			first(m).Attributes().CopyTo(dp.Attributes())
			dp.SetTimestamp(first(m).Timestamp())
			m.Sum().DataPoints().RemoveIf(func(p pmetric.NumberDataPoint) bool { return p != dp })
		}, rollup.NoValue},
		"falls":       {func(m pmetric.Metric) { first(m).SetIntValue(-1) }, rollup.Malformed},
		"NaN":         {func(m pmetric.Metric) { first(m).SetDoubleValue(math.NaN()) }, rollup.NotFinite},
		"infinite":    {func(m pmetric.Metric) { first(m).SetDoubleValue(math.Inf(-1)) }, rollup.NotFinite},
		"temporality": {func(m pmetric.Metric) { m.Sum().SetAggregationTemporality(0) }, rollup.NoTemporality},
		"too many":    {histogramOf(func(dp pmetric.HistogramDataPoint) { dp.SetCount(1 << 63) }), rollup.Malformed},
		"malformed":   {histogramOf(func(dp pmetric.HistogramDataPoint) { dp.ExplicitBounds().FromRaw([]float64{1}) }), rollup.Malformed},
		"baseline":    {func(m pmetric.Metric) { m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative) }, rollup.Baseline},
	} {
		t.Run(name, func(t *testing.T) {
			state := rollup.New(spec, "here", now)
			md := point(c.change)
			out := state.Add(md, rollup.Sender{}, now, nil)
			assert.Equal(t, 1, out.Why[c.why], "%v", out.Why)
			assert.Equal(t, 1, out.Lost)
			assert.Zero(t, out.Rolled)
			assert.Zero(t, md.DataPointCount())
			assert.NotEmpty(t, c.why.String())
		})
	}
	t.Run("stream limit", func(t *testing.T) {
		state := rollup.New(spec, "here", now)
		for i := range 2 {
			s := *visits
			s.form, s.host = counter, fmt.Sprint(i)
			out := state.Add(metrics([]event{{s: &s, at: epoch + second, start: epoch, value: 1}}), rollup.Sender{}, now, nil)
			assert.Equal(t, i, out.Why[rollup.StreamLimit])
		}
	})
}

// Streams past the limit are merged into one for each metric and tenant, which is marked. Sums are complete.
func TestOverflow(t *testing.T) {
	for name, spec := range map[string]rollup.Spec{
		"of all":  specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}}, func(s *rollup.Settings) { s.MaxStreams = 2 }),
		"of rule": specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}, MaxStreams: 2}),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, spec)
			var out rollup.Outcome
			for i := range 5 {
				s := *visits
				s.route = fmt.Sprint("/", i)
				o := b.add(&s, float64(i+1), 1)
				out.Folded += o.Folded
			}
			assert.Equal(t, 3, out.Folded)
			assert.EqualValues(t, 3, b.state.Status().Streams)
			got := b.close()
			slices.Sort(got)
			assert.Equal(t, []string{
				"metric.3.sum map[otel.metric.overflow:true penstock.partition:here] [0, 60) = 12",
				"metric.3.sum map[route:/0] [0, 60) = 1", "metric.3.sum map[route:/1] [0, 60) = 2",
			}, got)
		})
	}
}

// A stream without points frees its place after the timeout, in event time; the place is reused.
func TestStreamsAreForgotten(t *testing.T) {
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}, MaxStreams: 1, Match: rollup.Match{Metric: "metric.3"}},
		func(s *rollup.Settings) { s.StreamTimeout = 10 * time.Minute })
	b := newBox(t, spec)
	b.add(visits, 1, 0)
	other := *visits
	other.route = "/other"
	assert.Equal(t, 1, b.add(&other, 1, 300).Folded, "no room yet")
	b.advance()
	for at := int64(600); at < 2400; at += 60 {
		b.add(&stream{form: gauge, service: "clock", host: "a"}, 0, at) // only time passes
		b.advance()
	}
	b.take()
	assert.Zero(t, b.add(&other, 7, 2400).Folded)
	assert.Equal(t, []string{"metric.3.sum map[route:/other] [2400, 2460) = 7"}, b.close())
}

// A counter that was forgotten and returns may have been counted before: its first point is a baseline.
func TestForgottenCounterBeginsWithABaseline(t *testing.T) {
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute}, Aggregates: []string{"sum"}, Match: rollup.Match{Metric: "metric.4"}},
		func(s *rollup.Settings) { s.StreamTimeout = 10 * time.Minute })
	b := newBox(t, spec)
	old := *visits
	old.form = counter
	assert.Equal(t, 1, b.add(&old, 100, 1).Rolled)
	for at := int64(60); at < 3600; at += 60 {
		b.add(&stream{form: gauge, service: "clock", host: "a"}, 0, at)
		b.advance()
	}
	assert.Zero(t, b.state.Status().InputStreams)
	out := b.add(&old, 150, 3600)
	assert.Equal(t, 1, out.Why[rollup.Baseline])
	assert.Equal(t, 1, b.add(&old, 151, 3610).Rolled)
}

// A sender that is hours behind sends its backlog beside others that are not. Its counters are not forgotten by the others' time: each
// point that follows another one is an increment, also after a restart.
func TestCountersOfASenderThatIsFarBehindLoseNoIncrement(t *testing.T) {
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute}, Aggregates: []string{"sum"}, Match: rollup.Match{Metric: "metric.4"}},
		func(s *rollup.Settings) {
			s.StreamTimeout, s.OnLate, s.CorrectFor = time.Hour, rollup.Correct, 12*time.Hour
		})
	b := newBox(t, spec)
	behind := *visits
	behind.form = counter
	const hour = 3600
	baselines := 0
	for i := range int64(180) {
		b.add(&stream{form: gauge, service: "clock", host: "a"}, 0, 4*hour+i*60)
		out := b.add(&behind, float64(100+i), 60+i*60)
		baselines += out.Why[rollup.Baseline]
		b.advance()
		if i == 90 {
			var state bytes.Buffer
			require.NoError(t, b.state.Snapshot(&state))
			b.state = rollup.New(spec, "here", time.Unix(0, epoch))
			require.NoError(t, b.state.Restore(&state))
			b.state.Adopt()
		}
	}
	assert.Zero(t, baselines, "of 180 points")
	for at := int64(7 * hour); at < 9*hour; at += 60 {
		b.add(&stream{form: gauge, service: "clock", host: "a"}, 0, at)
		b.advance()
	}
	assert.Zero(t, b.state.Status().InputStreams, "once it is silent its streams go")
}

// Changed rules apply to windows that start after the newest time; those that had begun end under the old ones.
func TestChangedRules(t *testing.T) {
	old := specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}})
	b := newBox(t, old)
	b.add(visits, 1, 10, 70)
	changed := specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"code"}, Aggregates: []string{"count"}})
	b.restart(changed, true)
	b.add(visits, 1, 80, 130, 250)
	got := b.close()
	assert.Equal(t, []string{
		"metric.3.sum map[route:/] [0, 60) = 1", "metric.3.sum map[route:/] [60, 120) = 2",
		"metric.3.count map[code:200] [120, 180) = 1", "metric.3.count map[code:200] [240, 300) = 1",
	}, got)
}

// A state that has not adopted continues under the rules with which it was saved.
func TestRestoredRulesHoldUntilAdopt(t *testing.T) {
	b := newBox(t, specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}}))
	b.add(visits, 1, 10)
	b.restart(specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"code"}, Aggregates: []string{"count"}}), false)
	b.add(visits, 1, 70)
	assert.Equal(t, []string{"metric.3.sum map[route:/] [0, 60) = 1", "metric.3.sum map[route:/] [60, 120) = 1"}, b.close())
}

// A corrected window is sent again with the value that it should have had.
func TestCorrect(t *testing.T) {
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute, {Size: 5 * time.Minute, Hop: 5 * time.Minute}}, By: []string{"route"}, Aggregates: []string{"sum"}},
		func(s *rollup.Settings) { s.OnLate, s.CorrectFor = rollup.Correct, 10*time.Minute })
	b := newBox(t, spec)
	b.add(visits, 1, 10, 130)
	assert.Equal(t, []string{"metric.3.sum map[route:/] [0, 60) = 1"}, b.advance().take())
	out := b.add(visits, 5, 20)
	assert.Equal(t, 1, out.Corrected)
	b.restart(spec, true)
	b.add(visits, 1, 190)
	got := b.advance().take()
	slices.Sort(got)
	assert.Equal(t, []string{"metric.3.sum map[route:/] [0, 60) = 6", "metric.3.sum map[route:/] [120, 180) = 1"}, got)
	b.add(visits, 1, 1000)
	assert.Contains(t, b.advance().take(), "metric.3.sum map[route:/] [0, 300) = 8", "the larger window has it at once")
	assert.Equal(t, 1, b.add(visits, 1, 15).Why[rollup.Late], "too late even for that")
}

// The next component may close up to the promise, so nothing older is ever sent, and nothing closes before the component in front has
// closed.
func TestLowWatermark(t *testing.T) {
	b := newBox(t, specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}}))
	b.add(visits, 1, 10, 200)
	low := time.Unix(0, epoch+100*second)
	due, out := b.state.Advance(low, false, low)
	assert.True(t, due)
	assert.Equal(t, epoch+60*second, out.UnixNano(), "the outbox holds a window that ends there")
	require.NoError(t, b.state.Render(10, rollup.Signature{}, func(string, pmetric.Metrics) error { return nil }))
	_, out = b.state.Advance(low, false, low)
	assert.Equal(t, low.UnixNano(), out.UnixNano())
	assert.Equal(t, low.UnixNano(), b.state.Status().Mark)
}

// Raw returns what Add would leave, and Add leaves nothing after it; the windows are the same in both cases.
func TestRawIsWhatAddLeaves(t *testing.T) {
	for seed := range uint64(seeds) {
		whole, w := newRun(t, seed, never)
		split, _ := newRun(t, seed, never)
		var held []event
		for range 40 {
			events, now := w.batch(&held), time.Unix(0, w.now+3600*second)
			left := metrics(events)
			whole.state.Add(left, rollup.Sender{}, now, nil)
			rest := metrics(events)
			raw, passed := split.state.Raw(rest, now)
			split.state.Add(rest, rollup.Sender{}, now, passed)
			require.Zero(t, rest.DataPointCount(), "seed %d", seed)
			require.Equal(t, marshal(t, left), marshal(t, raw), "seed %d", seed)
			for _, r := range []*run{whole, split} {
				r.state.Advance(now, false, time.Unix(0, math.MaxInt64))
				require.NoError(t, r.state.Render(100, rollup.Signature{}, func(_ string, md pmetric.Metrics) error {
					r.bytes = append(r.bytes, marshal(t, md))
					return nil
				}))
			}
		}
		require.Equal(t, whole.bytes, split.bytes)
	}
}

func marshal(t *testing.T, md pmetric.Metrics) []byte {
	b, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	require.NoError(t, err)
	return b
}

// A point that becomes late between Raw and Add is routed by Add; one that Raw has routed is not routed again.
func TestRoutedOnce(t *testing.T) {
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}}, func(s *rollup.Settings) { s.OnLate = rollup.Route })
	for name, lateBefore := range map[string]bool{"before": true, "between": false} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, spec)
			b.add(visits, 1, 1, 70)
			if lateBefore {
				b.advance()
			}
			md := metrics([]event{{s: visits, at: epoch + 2*second, value: 1}})
			raw, passed := b.state.Raw(md, time.Unix(0, epoch))
			b.advance()
			out := b.state.Add(md, rollup.Sender{}, time.Unix(0, epoch), passed)
			assert.Equal(t, 1, out.Routed)
			assert.Equal(t, lateBefore, raw.DataPointCount() == 1)
			assert.Equal(t, 1, raw.DataPointCount()+md.DataPointCount())
		})
	}
}

// An accepted piece is not sent again when a later one fails.
func TestRenderGoesOnWhereItFailed(t *testing.T) {
	b := newBox(t, specOf(rollup.Rule{Windows: []window.Spec{minute}, By: []string{"route"}, Aggregates: []string{"sum"}}))
	b.add(visits, 1, 1, 61, 121, 181)
	b.state.Advance(time.Unix(0, epoch), false, time.Unix(0, math.MaxInt64))
	require.Equal(t, 3, b.state.Outbox())
	require.Equal(t, 3, b.state.OutboxPoints())
	tries := 0
	send := func(_ string, md pmetric.Metrics) error {
		if tries++; tries == 2 {
			return errors.New("busy")
		}
		b.note(md)
		return nil
	}
	require.Error(t, b.state.Render(1, rollup.Signature{}, send))
	require.NoError(t, b.state.Render(1, rollup.Signature{}, send))
	assert.Equal(t, []string{"metric.3.sum map[route:/] [0, 60) = 1", "metric.3.sum map[route:/] [60, 120) = 1", "metric.3.sum map[route:/] [120, 180) = 1"}, b.take())
}

// Whatever is wrong with a saved state, restoring it ends with an error or with a state that works.
func FuzzRestore(f *testing.F) {
	for seed := range uint64(8) {
		r, w := newRun(&testing.T{}, seed, never)
		var held []event
		for range 10 {
			r.state.Add(metrics(w.batch(&held)), rollup.Sender{}, time.Unix(0, w.now), nil)
		}
		r.state.Advance(time.Unix(0, epoch), false, time.Unix(0, math.MaxInt64))
		var saved bytes.Buffer
		if err := r.state.Snapshot(&saved); err != nil {
			f.Fatal(err)
		}
		f.Add(saved.Bytes())
	}
	spec := specOf(rollup.Rule{Windows: []window.Spec{minute}, Aggregates: []string{"sum"}})
	f.Fuzz(func(t *testing.T, data []byte) {
		state := rollup.New(spec, "here", time.Unix(0, epoch))
		if err := state.Restore(bytes.NewReader(data)); err != nil {
			return
		}
		state.Adopt()
		state.Add(metrics([]event{{s: visits, at: epoch, value: 1}}), rollup.Sender{}, time.Unix(0, epoch), nil)
		state.Advance(time.Unix(0, math.MaxInt64), true, time.Unix(0, math.MaxInt64))
		_ = state.Render(10, rollup.Signature{}, func(string, pmetric.Metrics) error { return nil })
	})
}

// Flipped and missing bytes, as many as time allows.
func TestDamagedStateIsRefusedOrHarmless(t *testing.T) {
	r, w := newRun(t, 3, never)
	var held []event
	for range 20 {
		r.state.Add(metrics(w.batch(&held)), rollup.Sender{}, time.Unix(0, w.now), nil)
	}
	r.state.Advance(time.Unix(0, epoch), false, time.Unix(0, math.MaxInt64))
	var saved bytes.Buffer
	require.NoError(t, r.state.Snapshot(&saved))
	rnd := rand.New(rand.NewPCG(1, 1))
	refused := 0
	for range 3000 {
		data := slices.Clone(saved.Bytes())
		if rnd.IntN(2) == 0 {
			data = data[:rnd.IntN(len(data))]
		} else {
			data[rnd.IntN(len(data))] ^= byte(1 << rnd.IntN(8))
		}
		state := rollup.New(r.spec, "here", time.Unix(0, epoch))
		if err := state.Restore(bytes.NewReader(data)); err != nil {
			refused++
			continue
		}
		state.Adopt()
		state.Advance(time.Unix(0, math.MaxInt64), true, time.Unix(0, math.MaxInt64))
		require.NoError(t, state.Render(10, rollup.Signature{}, func(string, pmetric.Metrics) error { return nil }))
	}
	assert.Greater(t, refused, 1500, "what is cut off is always refused")
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		match rollup.Match
		want  bool
	}{
		{rollup.Match{}, true}, {rollup.Match{Metric: "metric.3"}, true}, {rollup.Match{Metric: "metric.*"}, true}, {rollup.Match{Metric: "metric"}, false},
		{rollup.Match{Metric: "metric.[0-3]"}, true}, {rollup.Match{Metric: "metric.?"}, true}, {rollup.Match{Types: []string{"sum"}}, true},
		{rollup.Match{Types: []string{"gauge", "histogram"}}, false}, {rollup.Match{Attributes: map[string]string{"route": "/*"}}, true},
		{rollup.Match{Attributes: map[string]string{"service.name": "sh*"}}, true}, {rollup.Match{Attributes: map[string]string{"service.name": "x*"}}, false},
		{rollup.Match{Attributes: map[string]string{"none": "*"}}, false},
	} {
		b := newBox(t, specOf(rollup.Rule{Match: c.match, Windows: []window.Spec{minute}, Aggregates: []string{"sum"}}))
		out := b.add(visits, 1, 1)
		assert.Equal(t, c.want, out.Rolled == 1, "%+v", c.match)
		assert.Equal(t, !c.want, out.Unmatched == 1, "%+v", c.match)
	}
}

func TestFormatWindow(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Minute: "1m", time.Hour: "1h", 90 * time.Second: "90s", 24 * time.Hour: "1d", 36 * time.Hour: "36h", 1500 * time.Millisecond: "1500ms",
	} {
		assert.Equal(t, want, rollup.FormatWindow(d))
	}
}

func Example() {
	state := rollup.New(rollup.Spec{
		Settings: rollup.Settings{IdleTimeout: time.Minute, MaxFuture: time.Minute, OnLate: rollup.Drop, StreamTimeout: time.Hour,
			MaxStreams: 10, MaxInputStreams: 10, MaxSources: 10, MaxBuckets: 160, Temporality: rollup.Delta},
		Rules: []rollup.Rule{{Windows: []window.Spec{minute}, Aggregates: []string{"avg", "max"}}},
	}, "here", time.Now())
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, degrees := range []float64{20, 22, 27} {
		md := pmetric.NewMetrics()
		m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("temperature")
		dp := m.SetEmptyGauge().DataPoints().AppendEmpty()
		at := begin.Add(time.Duration(i) * 25 * time.Second)
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		dp.SetDoubleValue(degrees)
		state.Add(md, rollup.Sender{}, at, nil)
	}
	state.Advance(begin.Add(time.Hour), true, begin.Add(time.Hour)) // notes that nothing more has come
	state.Advance(begin.Add(2*time.Hour), true, begin.Add(time.Hour))
	_ = state.Render(100, rollup.Signature{}, func(_ string, md pmetric.Metrics) error {
		for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			dp := m.Gauge().DataPoints().At(0)
			fmt.Println(m.Name(), dp.DoubleValue(), "at", dp.Timestamp().AsTime().Format(time.TimeOnly))
		}
		return nil
	})
	// Output:
	// temperature.avg 23 at 12:01:00
	// temperature.max 27 at 12:01:00
}

// The losses of merging are reported: more bounds than a histogram may have, and percentiles beyond the stated error.
func TestMergingIsTold(t *testing.T) {
	five := window.Spec{Size: 5 * time.Minute, Hop: 5 * time.Minute}
	b := newBox(t, specOf(rollup.Rule{Windows: []window.Spec{minute, five}, By: []string{"route"}, Aggregates: []string{"p50"}}))
	many := make([]float64, 512)
	for i := range many {
		many[i] = float64(i)
	}
	for i, bounds := range [][]float64{many, {2.5}} { // of two minutes, so no point meets another
		e := event{s: &stream{form: deltaHistogram, route: "/"}, at: epoch + int64(i)*60*second, samples: []float64{2}, bounds: bounds}
		assert.Zero(t, b.state.Add(metrics([]event{e}), rollup.Sender{}, time.Unix(0, epoch), nil).Coarsened)
	}
	for i := range 400 { // far apart: more than 160 buckets
		e := event{s: &stream{form: gauge, route: "/"}, at: epoch, value: math.Ldexp(1, i)}
		b.state.Add(metrics([]event{e}), rollup.Sender{}, time.Unix(0, epoch), nil)
	}
	b.close()
	coarsened, blurred := b.state.Merged()
	assert.Equal(t, 1, coarsened)
	assert.Equal(t, 2, blurred, "the minute and the five minutes of the gauge")
}
