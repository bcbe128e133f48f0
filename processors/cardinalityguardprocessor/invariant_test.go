package cardinalityguardprocessor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/metadata"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// ledger adds up increases of streams as a store would: deltas directly, cumulative streams by start, reset and order.
type ledger struct {
	t       testing.TB
	streams map[streamkey.Key]*seenStream
	total   map[string]float64 // by metric
	// samples, if not nil, are those taken so far: the same one again changes nothing, another value for one is an error.
	samples map[sample][]float64
}

type sample struct {
	series streamkey.Key
	at     int64
}

type seenStream struct {
	start, time int64
	value       []float64
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, streams: map[streamkey.Key]*seenStream{}, total: map[string]float64{}}
}

// add books a batch.
func (l *ledger) add(md pmetric.Metrics) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				key := streamkey.Metric(streamkey.Resource(rm.Resource()), streamkey.Scope(sm.Scope()), m)
				delta, mono := false, true
				book := func(attrs pcommon.Map, start, at pcommon.Timestamp, v ...float64) {
					l.point(m.Name(), streamkey.Stream(key, attrs), int64(start), int64(at), v, delta, mono)
				}
				switch m.Type() {
				case pmetric.MetricTypeSum:
					delta, mono = m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta, m.Sum().IsMonotonic()
					for _, dp := range m.Sum().DataPoints().All() {
						book(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), datapoint.FromNumber(dp).Float64())
					}
				case pmetric.MetricTypeHistogram:
					delta = m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
					for _, dp := range m.Histogram().DataPoints().All() {
						v := []float64{float64(dp.Count()), dp.Sum()}
						for _, c := range dp.BucketCounts().All() {
							v = append(v, float64(c))
						}
						book(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), v...)
					}
				case pmetric.MetricTypeExponentialHistogram:
					delta = m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
					for _, dp := range m.ExponentialHistogram().DataPoints().All() {
						var buckets float64
						for _, c := range dp.Positive().BucketCounts().All() {
							buckets += float64(c)
						}
						book(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), float64(dp.Count()), dp.Sum(), float64(dp.ZeroCount()), buckets)
					}
				case pmetric.MetricTypeSummary:
					for _, dp := range m.Summary().DataPoints().All() {
						book(dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), float64(dp.Count()), dp.Sum())
					}
				}
			}
		}
	}
}

func (l *ledger) point(metric string, key streamkey.Key, start, at int64, v []float64, delta, mono bool) {
	if l.samples != nil {
		if was, again := l.samples[sample{key, at}]; again {
			require.Equal(l.t, was, v, "two values for one sample of %s", metric)
			return
		}
		l.samples[sample{key, at}] = v
	}
	inc := func(from []float64) {
		for i := range v {
			d := v[i]
			if i < len(from) {
				d -= from[i]
			}
			l.total[fmt.Sprint(metric, "/", i)] += d
		}
	}
	s := l.streams[key]
	if delta {
		inc(nil)
		if s == nil {
			l.streams[key] = &seenStream{time: at}
		}
		return
	}
	if s == nil {
		l.streams[key] = &seenStream{start, at, v}
		if !mono {
			inc(nil)
		} else if datapoint.First(start, at, epoch.UnixNano()) == datapoint.Begun {
			inc(nil)
		}
		return
	}
	fell := false
	for i := range v {
		fell = fell || v[i] < s.value[i] && i != 1
	}
	if !mono {
		if at > s.time {
			inc(s.value)
			*s = seenStream{start, at, v}
		}
		return
	}
	switch datapoint.Follow(s.start, s.time, start, at, fell) {
	case datapoint.Stale:
		return
	case datapoint.Reset:
		inc(nil)
	default:
		inc(s.value)
	}
	*s = seenStream{start, at, v}
}

// rig drives a guard like the worker of a journal, so that nothing depends on the clock.
type rig struct {
	t       *testing.T
	cfg     *Config
	tel     *componenttest.Telemetry
	sink    *refusing
	host    component.Host
	guard   processor.Metrics
	session *delivery.Session
	ctx     context.Context

	saved []byte            // the last checkpoint
	log   []pmetric.Metrics // consumed since then
}

// refusing records what it accepts, and refuses on request.
type refusing struct {
	*ledger
	refuse   func() error
	overflow map[streamkey.Key]int64 // newest time of every overflow stream
	stamped  map[sample]bool         // all their times
}

func (*refusing) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (r *refusing) ConsumeMetrics(_ context.Context, md pmetric.Metrics) error {
	if md.DataPointCount() == 0 {
		return nil
	}
	if err := r.refuse(); err != nil {
		return err
	}
	r.add(md)
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				r.checkOverflow(streamkey.Metric(streamkey.Resource(rm.Resource()), streamkey.Scope(sm.Scope()), m), m)
			}
		}
	}
	return nil
}

// checkOverflow checks that the times of every overflow stream increase, and nothing is sent twice (unless a crash repeats it).
func (r *refusing) checkOverflow(metric streamkey.Key, m pmetric.Metric) {
	check := func(attrs pcommon.Map, at pcommon.Timestamp) {
		if _, ok := attrs.Get(overflowAttribute); !ok {
			return
		}
		key := streamkey.Stream(metric, attrs)
		if r.samples != nil && r.stamped[sample{key, int64(at)}] {
			return
		}
		r.stamped[sample{key, int64(at)}] = true
		require.Greater(r.t, int64(at), r.overflow[key])
		r.overflow[key] = int64(at)
	}
	switch m.Type() {
	case pmetric.MetricTypeSum:
		for _, dp := range m.Sum().DataPoints().All() {
			check(dp.Attributes(), dp.Timestamp())
		}
	case pmetric.MetricTypeGauge:
		for _, dp := range m.Gauge().DataPoints().All() {
			check(dp.Attributes(), dp.Timestamp())
		}
	case pmetric.MetricTypeHistogram:
		for _, dp := range m.Histogram().DataPoints().All() {
			check(dp.Attributes(), dp.Timestamp())
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, dp := range m.ExponentialHistogram().DataPoints().All() {
			check(dp.Attributes(), dp.Timestamp())
		}
	case pmetric.MetricTypeSummary:
		for _, dp := range m.Summary().DataPoints().All() {
			check(dp.Attributes(), dp.Timestamp())
		}
	}
}

func newRig(t *testing.T, cfg *Config) *rig { return newRigIn(t, componenttest.NewNopHost(), cfg) }

func newRigIn(t *testing.T, h component.Host, cfg *Config) *rig {
	cfg.Journal = journalRequired // Batches come with the session of the rig.
	g := &rig{t: t, cfg: cfg, host: h, tel: componenttest.NewTelemetry()}
	g.sink = &refusing{ledger: newLedger(t), refuse: func() error { return nil }, overflow: map[streamkey.Key]int64{}, stamped: map[sample]bool{}}
	g.start(nil)
	return g
}

func (g *rig) start(state []byte) {
	g.t.Helper()
	set := processortest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = g.tel.NewTelemetrySettings()
	var err error
	g.guard, err = NewFactory().CreateMetrics(g.t.Context(), set, g.cfg, g.sink)
	require.NoError(g.t, err)
	require.NoError(g.t, g.guard.Start(g.t.Context(), g.host))
	g.session, err = delivery.NewSession(delivery.Settings{Label: "p.metrics-0", Began: epoch, State: state})
	require.NoError(g.t, err)
	g.ctx = delivery.With(g.t.Context(), g.session)
	require.NoError(g.t, g.guard.ConsumeMetrics(g.ctx, pmetric.NewMetrics()))
	for g.session.Flush(g.ctx) != nil {
	}
	g.session.Adopt()
}

func (g *rig) consume(md pmetric.Metrics) {
	g.t.Helper()
	g.log = append(g.log, md)
	for {
		sent := pmetric.NewMetrics()
		md.CopyTo(sent)
		if g.guard.ConsumeMetrics(g.ctx, sent) == nil {
			return
		}
	}
}

// checkpoint saves the state: the records so far need not be read again.
func (g *rig) checkpoint() {
	g.t.Helper()
	var state bytes.Buffer
	require.NoError(g.t, g.session.Snapshot(&state))
	g.saved, g.log = state.Bytes(), nil
}

// crash returns to the last checkpoint, and reads the records since then again, in other batches.
func (g *rig) crash(r *rand.Rand) {
	g.t.Helper()
	g.session.Close()
	require.NoError(g.t, g.guard.Shutdown(g.t.Context()))
	log := g.log
	g.log = nil
	g.start(g.saved)
	for len(log) > 0 {
		n := 1 + r.IntN(len(log))
		md := pmetric.NewMetrics()
		for _, part := range log[:n] {
			for _, rm := range part.ResourceMetrics().All() {
				rm.CopyTo(md.ResourceMetrics().AppendEmpty())
			}
		}
		log = log[n:]
		g.consume(md)
	}
}

// advance closes what is due, and sends it once it is saved.
func (g *rig) advance(now time.Time, atEnd bool) {
	g.t.Helper()
	for g.session.Advance(now, atEnd) {
		g.checkpoint()
		for g.session.Flush(g.ctx) != nil {
		}
	}
}

func (g *rig) restart() {
	g.t.Helper()
	g.checkpoint()
	g.session.Close()
	require.NoError(g.t, g.guard.Shutdown(g.t.Context()))
	g.start(g.saved)
}

// finish closes everything.
func (g *rig) finish() {
	g.t.Helper()
	g.advance(delivery.Unbounded(), true)
	g.session.Close()
	require.NoError(g.t, g.guard.Shutdown(g.t.Context()))
}

// count returns the value of an internal counter, summed over its attributes.
func (g *rig) count(name string) (sum int64) {
	g.t.Helper()
	m, err := g.tel.GetMetric("otelcol_processor_cardinality_guard_" + name)
	if err != nil {
		return 0
	}
	if data, ok := m.Data.(metricdata.Sum[int64]); ok {
		for _, dp := range data.DataPoints {
			sum += dp.Value
		}
	}
	return sum
}

func testConfig(change func(*Config)) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Report.Interval = 0
	change(cfg)
	return cfg
}

// sender is one random stream. Its values are whole numbers, so that sums are exact in any order.
type sender struct {
	route, user string
	start, now  int64
	count       [3]uint64 // buckets
	level       int64     // of an up-down counter
}

var bounds = []float64{1, 10}

func (s *sender) write(m pmetric.Metric, form string) {
	attrs := func(a pcommon.Map) {
		a.PutStr("route", s.route)
		a.PutStr("user_id", s.user)
	}
	total := s.count[0] + s.count[1] + s.count[2]
	temporality := pmetric.AggregationTemporalityCumulative
	if strings.HasSuffix(form, "delta") {
		temporality = pmetric.AggregationTemporalityDelta
	}
	switch form {
	case "sum", "sum delta", "updown", "updown delta":
		m.SetEmptySum().SetAggregationTemporality(temporality)
		m.Sum().SetIsMonotonic(!strings.HasPrefix(form, "updown"))
		dp := m.Sum().DataPoints().AppendEmpty()
		attrs(dp.Attributes())
		dp.SetStartTimestamp(pcommon.Timestamp(s.start))
		dp.SetTimestamp(pcommon.Timestamp(s.now))
		dp.SetIntValue(int64(total))
		if strings.HasPrefix(form, "updown") {
			dp.SetIntValue(s.level)
		}
	case "histogram", "histogram delta":
		m.SetEmptyHistogram().SetAggregationTemporality(temporality)
		dp := m.Histogram().DataPoints().AppendEmpty()
		attrs(dp.Attributes())
		dp.SetStartTimestamp(pcommon.Timestamp(s.start))
		dp.SetTimestamp(pcommon.Timestamp(s.now))
		dp.ExplicitBounds().FromRaw(bounds)
		dp.BucketCounts().FromRaw(s.count[:])
		dp.SetCount(total)
		dp.SetSum(float64(5*s.count[1] + 20*s.count[2]))
	case "exponential", "exponential delta":
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(temporality)
		dp := m.ExponentialHistogram().DataPoints().AppendEmpty()
		attrs(dp.Attributes())
		dp.SetStartTimestamp(pcommon.Timestamp(s.start))
		dp.SetTimestamp(pcommon.Timestamp(s.now))
		dp.SetScale(int32(len(s.user) % 3)) // Streams of different scale meet.
		dp.SetZeroCount(s.count[0])
		dp.Positive().SetOffset(2)
		dp.Positive().BucketCounts().FromRaw(s.count[1:])
		dp.SetCount(total)
		dp.SetSum(float64(5*s.count[1] + 20*s.count[2]))
	case "summary":
		dp := m.SetEmptySummary().DataPoints().AppendEmpty()
		attrs(dp.Attributes())
		dp.SetStartTimestamp(pcommon.Timestamp(s.start))
		dp.SetTimestamp(pcommon.Timestamp(s.now))
		dp.SetCount(total)
		dp.SetSum(float64(5*s.count[1] + 20*s.count[2]))
		q := dp.QuantileValues().AppendEmpty()
		q.SetQuantile(0.5)
	}
}

// step makes a stream grow, or restart.
func (s *sender) step(r *rand.Rand, at int64, form string) {
	delta := strings.HasSuffix(form, "delta")
	switch {
	case delta:
		s.start, s.count = s.now, [3]uint64{}
	case s.start == 0 || r.IntN(30) == 0:
		s.start, s.count = at-1, [3]uint64{}
	}
	s.now = at
	for i := range s.count {
		s.count[i] += r.Uint64N(4)
	}
	s.level = r.Int64N(100) - 50
}

// The invariant: the increase over all output streams is that over all inputs, whatever is folded, whatever is refused and sent again, and
// whenever the guard restarts; and the series stay within their budgets.
func TestIncreaseIsPreserved(t *testing.T) {
	forms := []string{"sum", "sum delta", "updown", "updown delta", "histogram", "histogram delta", "exponential", "exponential delta", "summary"}
	for _, form := range forms {
		for seed := range uint64(12) {
			t.Run(fmt.Sprintf("%s/%d", form, seed), func(t *testing.T) {
				g, in := testIncrease(t, form, seed, func(*Config) {}, 0, false)
				assert.Zero(t, g.count("lost_increases"))
				require.NotEmpty(t, in.total)
				for name, want := range in.total {
					assert.InDelta(t, want, g.sink.total[name], math.Abs(want)*1e-12, name)
				}
				budget := int(g.cfg.Limits.SeriesPerMetric) + g.cfg.Limits.OverflowStreamsPerMetric + 1 // The last resort.
				assert.LessOrEqual(t, len(g.sink.streams), budget)
			})
		}
	}
}

// A crash returns to the last checkpoint, and the records since then are delivered again, in other batches. The store sees samples twice,
// never two values for one, and the increase is right.
func TestIncreaseIsPreservedOverCrashes(t *testing.T) {
	for _, form := range []string{"sum", "sum delta", "updown", "histogram", "exponential delta", "summary"} {
		for seed := range uint64(12) {
			t.Run(fmt.Sprintf("%s/%d", form, seed), func(t *testing.T) {
				g, in := testIncrease(t, form, seed, func(*Config) {}, 0, true)
				for name, want := range in.total {
					assert.InDelta(t, want, g.sink.total[name], math.Abs(want)*1e-12, name)
				}
			})
		}
	}
}

// With gaps that let everything expire, and too few contributors, increases are lost; then the counters report it, and nothing is ever
// counted twice without a counter that reports that.
func TestLossesAreCounted(t *testing.T) {
	exact, lossy := 0, 0
	for seed := range uint64(60) {
		form := []string{"sum", "histogram", "exponential", "summary", "sum delta"}[seed%5]
		t.Run(fmt.Sprintf("%s/%d", form, seed), func(t *testing.T) {
			g, in := testIncrease(t, form, seed, func(c *Config) {
				c.IdleTimeout = 4 * c.FlushInterval
				c.Limits.Contributors = 1 + int(seed)
			}, 40, false)
			want, got := in.total["requests/0"], g.sink.total["requests/0"]
			if g.count("ambiguous_series") == 0 {
				assert.LessOrEqual(t, got, want)
			}
			if g.count("lost_increases") == 0 && g.count("ambiguous_series") == 0 {
				exact++
				assert.InDelta(t, want, got, 1e-6)
			} else {
				lossy++
			}
		})
	}
	assert.Positive(t, exact)
	assert.Positive(t, lossy)
}

// testIncrease sends random streams through a guard that restarts and is refused; one in gaps steps (0: none) is a gap of
// two idle times. With crashes, it also goes back to its last checkpoint.
func testIncrease(t *testing.T, form string, seed uint64, change func(*Config), gaps int, crashes bool) (*rig, *ledger) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	cfg := testConfig(func(c *Config) {
		c.Limits.SeriesPerMetric = 1 + r.Int64N(40)
		c.Limits.OverflowStreamsPerMetric = 1 + r.IntN(8)
		if r.IntN(4) == 0 {
			c.Limits.OverflowStreams = 1
		}
		if r.IntN(4) == 0 {
			c.Limits.ValuesPerAttribute = 5
		}
		if r.IntN(4) == 0 {
			c.Attributes = []AttributesConfig{{Metric: "req*", Deny: []string{"user_id"}}}
		}
		c.FlushInterval = time.Duration(1+r.IntN(30)) * time.Second
		change(c)
	})
	g := newRig(t, cfg)
	if crashes {
		g.sink.samples = map[sample][]float64{}
		g.checkpoint()
	}
	in := newLedger(t)
	failing := r.IntN(2) == 0
	g.sink.refuse = func() error {
		if failing && r.IntN(4) == 0 {
			return errors.New("try again")
		}
		return nil
	}
	var senders []*sender
	now := epoch.UnixNano() + 2
	var held []pmetric.Metrics // to arrive late
	for range 400 {
		now += r.Int64N(int64(6 * time.Second))
		if gaps > 0 && r.IntN(gaps) == 0 {
			now += 2 * int64(cfg.IdleTimeout)
		}
		md := pmetric.NewMetrics()
		for range 1 + r.IntN(4) {
			if len(senders) < 100 && r.IntN(2) == 0 {
				senders = append(senders, &sender{route: fmt.Sprint("/", r.IntN(4)), user: fmt.Sprint("u", len(senders))})
			}
			if len(senders) == 0 {
				continue
			}
			s := senders[r.IntN(len(senders))]
			now++
			s.step(r, now, form)
			rm := md.ResourceMetrics().AppendEmpty()
			rm.Resource().Attributes().PutStr("service.name", "checkout")
			m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
			m.SetName("requests")
			s.write(m, form)
		}
		if r.IntN(10) == 0 {
			held = append(held, md)
			continue
		}
		in.add(md)
		g.consume(md)
		if len(held) > 0 && r.IntN(5) == 0 {
			in.add(held[0])
			g.consume(held[0])
			held = held[1:]
		}
		switch r.IntN(12) {
		case 0:
			g.advance(time.Unix(0, now), false)
		case 1:
			g.advance(time.Unix(0, now+int64(time.Minute)), true)
		case 2:
			g.restart()
		case 3:
			if crashes {
				g.crash(r)
			}
		}
	}
	for _, md := range held {
		in.add(md)
		g.consume(md)
	}
	assert.Positive(t, g.count("limited_points"))
	assert.Zero(t, g.count("dropped_points"))
	g.finish()
	assert.NotEmpty(t, g.sink.overflow)
	return g, in
}
