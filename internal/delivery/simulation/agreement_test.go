package simulation_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/simulation"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor"
)

// agreement sends random additive metrics through guard, rollup and totals, and keeps every sample.
type agreement struct {
	t    *testing.T
	seed uint64
	rnd  *rand.Rand

	began   time.Time
	now     time.Duration
	senders []*sender
	want    map[string]float64           // by metric: the plain sum
	samples map[string]map[int64]float64 // by series and time
}

// sender is a stream. Cumulative ones have an instance, deltas share theirs.
type sender struct {
	name       string
	cumulative bool
	user       string
	pod        int
	bounds     []float64

	started time.Duration
	sum     float64
	count   uint64
}

func (a *agreement) sink() consumer.Metrics {
	c, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		simulation.EachPoint(md, func(m pmetric.Metric, p pmetric.NumberDataPoint) {
			series, at, v := m.Name(), int64(p.Timestamp()), float64(p.IntValue())
			if a.samples[series] == nil {
				a.samples[series] = map[int64]float64{}
			}
			have, again := a.samples[series][at]
			require.True(a.t, !again || have == v, "seed %d: %s has two values at %d: %v and %v", a.seed, series, at, have, v)
			a.samples[series][at] = v
		})
		return nil
	})
	require.NoError(a.t, err)
	return c
}

// point adds a point of s, and its increase to the plain sums.
func (a *agreement) point(md pmetric.Metrics, s *sender) {
	a.now += time.Duration(a.rnd.IntN(4)) * 700 * time.Millisecond
	a.now++
	if s.cumulative { // of two values in one millisecond the second of another record is refused
		a.now += time.Millisecond
	}
	at := pcommon.NewTimestampFromTime(a.began.Add(a.now))
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	if s.cumulative {
		rm.Resource().Attributes().PutStr("service.instance.id", fmt.Sprint(s.name, s.user, s.pod))
	}
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(s.name)
	temporality := pmetric.AggregationTemporalityDelta
	if s.cumulative {
		temporality = pmetric.AggregationTemporalityCumulative
		if a.rnd.IntN(25) == 0 && s.count > 10 { // restarted, with less than before
			s.started, s.sum, s.count = a.now-1, 0, 0
		}
	}
	start := pcommon.NewTimestampFromTime(a.began.Add(s.started))
	grown := uint64(1 + a.rnd.IntN(5))
	s.sum, s.count = s.sum+float64(grown), s.count+grown
	total := grown
	if s.cumulative {
		total = s.count
	}
	flaw := a.rnd.IntN(12)
	if strings.HasPrefix(s.name, "requests") {
		m.SetEmptySum().SetIsMonotonic(true)
		m.Sum().SetAggregationTemporality(temporality)
		p := m.Sum().DataPoints().AppendEmpty()
		p.SetTimestamp(at)
		p.SetStartTimestamp(start)
		p.Attributes().PutStr("user", s.user)
		switch {
		case flaw == 0 && !s.cumulative:
			p.SetDoubleValue(math.NaN())
			return
		case flaw == 1: // no value: a cumulative stream includes it in the next point
			if !s.cumulative {
				return
			}
			s.sum, s.count = s.sum-float64(grown), s.count-grown
			return
		}
		p.SetDoubleValue(float64(total))
		a.want[s.name] += float64(grown)
		return
	}
	m.SetEmptyHistogram().SetAggregationTemporality(temporality)
	p := m.Histogram().DataPoints().AppendEmpty()
	p.SetTimestamp(at)
	p.SetStartTimestamp(start)
	p.Attributes().PutStr("user", s.user)
	p.SetCount(total)
	p.SetSum(float64(total))
	if a.rnd.IntN(20) == 0 {
		s.bounds = [][]float64{{1, 2}, {10, 20}}[a.rnd.IntN(2)]
	}
	p.ExplicitBounds().FromRaw(s.bounds)
	p.BucketCounts().FromRaw([]uint64{total, 0, 0})
	a.want[s.name+"_count"] += float64(grown)
	a.want[s.name+"_sum"] += float64(grown)
	if !s.cumulative && flaw < 2 {
		a.want[s.name+"_sum"] -= float64(grown)
		if p.RemoveSum(); flaw == 0 {
			p.SetSum(math.Inf(1))
		}
	}
}

// grown is the growth of all series whose name has the prefix.
func (a *agreement) grown(prefix string, but string) (all float64) {
	for series, samples := range a.samples {
		if !strings.HasPrefix(series, `{__name__="`+prefix+`"`) || but != "" && strings.Contains(series, but) {
			continue
		}
		last := 0.0
		var times []int64
		for at := range samples {
			times = append(times, at)
		}
		slices.Sort(times)
		for _, at := range times {
			if v := samples[at]; v < last {
				all += v
				last = v
			} else {
				all += v - last
				last = v
			}
		}
	}
	return all
}

// added is the sum of all samples of the series with that name.
func (a *agreement) added(name string) (all float64) {
	for series, samples := range a.samples {
		if strings.HasPrefix(series, `{__name__="`+name+`"`) {
			for _, v := range samples {
				all += v
			}
		}
	}
	return all
}

// Raw series and overflow series together, and the windows of the same input, grow by the plain sum of what was sent: with NaN, points
// without a value, changed bounds, missing sums, and restarts of senders and of the collector.
func TestRawFoldedAndRolledUpAgree(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 31))
		a := &agreement{t: t, seed: seed, rnd: rnd, began: time.Now().Add(-3 * time.Hour).Truncate(time.Hour), want: map[string]float64{}, samples: map[string]map[int64]float64{}}
		for _, name := range []string{"requests.delta", "requests.cumulative", "latency.delta", "latency.cumulative"} {
			for user := range 6 {
				for pod := range 1 + rnd.IntN(2) {
					a.senders = append(a.senders, &sender{name: name, cumulative: strings.HasSuffix(name, "cumulative"), user: fmt.Sprint(user), pod: pod, bounds: []float64{1, 2}, started: time.Millisecond})
				}
			}
		}
		r := &running{t: t}
		pipeline := func() consumer.Metrics {
			rollup := r.make(windowrollupprocessor.NewFactory(), map[string]any{
				"allowed_lateness": "5m", "temporality": "gauge", "journal": "required",
				"rules": []any{map[string]any{"windows": []any{map[string]any{"size": time.Minute}}, "by": []any{"service.name"}, "aggregates": []any{"increase", "sum"}}},
			}, r.tsdb(a.sink()))
			return r.make(cardinalityguardprocessor.NewFactory(), map[string]any{
				"limits": map[string]any{"series_per_metric": 3}, "report": map[string]any{"interval": 0}, "journal": "required",
			}, rollup)
		}
		a.run(pipeline)
		r.shutdown()

		for _, name := range []string{"requests_delta_total", "requests_cumulative_total"} {
			want := a.want[strings.Replace(strings.TrimSuffix(name, "_total"), "_", ".", 1)]
			require.InDelta(t, want, a.grown(name, ""), 1e-6, "seed %d: %s", seed, name)
		}
		for _, name := range []string{"latency.delta", "latency.cumulative"} {
			under := strings.ReplaceAll(name, ".", "_")
			require.InDelta(t, a.want[name+"_count"], a.grown(under+"_count", ""), 1e-6, "seed %d: %s", seed, name)
			require.InDelta(t, a.want[name+"_sum"], a.grown(under+"_sum", "rollup_window"), 1e-6, "seed %d: %s", seed, name)
			require.InDelta(t, a.want[name+"_count"], a.added(under+"_increase"), 1e-6, "seed %d: windows of %s", seed, name)
		}
		for _, name := range []string{"requests.delta", "requests.cumulative"} {
			require.InDelta(t, a.want[name], a.added(strings.ReplaceAll(name, ".", "_")+"_increase"), 1e-6, "seed %d: windows of %s", seed, name)
		}
	}
}

// run sends batches, closes and saves, and dies now and then: then everything since the last checkpoint is delivered again, cut
// differently.
func (a *agreement) run(pipeline func() consumer.Metrics) {
	var saved []byte
	var since []pmetric.Metrics
	var session *delivery.Session
	var head consumer.Metrics
	begin := func() context.Context {
		var err error
		head = pipeline()
		session, err = delivery.NewSession(delivery.Settings{Label: "journal-0", Began: a.began, State: saved})
		require.NoError(a.t, err)
		ctx := delivery.With(context.Background(), session)
		require.NoError(a.t, head.ConsumeMetrics(ctx, pmetric.NewMetrics()))
		require.NoError(a.t, session.Flush(ctx))
		session.Adopt()
		return ctx
	}
	consume := func(ctx context.Context, md pmetric.Metrics) {
		sent := pmetric.NewMetrics()
		md.CopyTo(sent)
		session.Deliver(a.began.Add(a.now), true)
		require.NoError(a.t, head.ConsumeMetrics(ctx, sent))
	}
	ctx := begin()
	settle := func(now time.Time, atEnd bool) {
		for session.Advance(now, atEnd) {
			var b bytes.Buffer
			require.NoError(a.t, session.Snapshot(&b))
			saved, since = b.Bytes(), nil
			require.NoError(a.t, session.Flush(ctx))
		}
	}
	for range 150 {
		md := pmetric.NewMetrics()
		for range 1 + a.rnd.IntN(8) {
			a.point(md, a.senders[a.rnd.IntN(len(a.senders))])
		}
		since = append(since, md)
		consume(ctx, md)
		if a.rnd.IntN(30) == 0 {
			session.Close()
			ctx = begin()
			for _, md := range since {
				consume(ctx, md)
			}
		}
		settle(a.began.Add(a.now), a.rnd.IntN(4) == 0)
	}
	settle(delivery.Unbounded(), true)
	session.Close()
}
