package accumulate_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/accumulate"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/origin"
)

// plain is the expected growth of a series: the sum of everything that was sent once and can be added up.
type plain struct{ count, sum float64 }

// seen is a store's view of a series' samples: its increase, with resets, like PromQL's.
type seen struct {
	last, grown plain
	at          int64
}

func (s *seen) add(t *testing.T, seed uint64, at pcommon.Timestamp, v plain) {
	require.Greater(t, int64(at)/1e6, s.at, "seed %d: a sample for each millisecond, in order", seed)
	s.at = int64(at) / 1e6
	step := func(last, now float64) float64 {
		if v.count < s.last.count {
			return now
		}
		return now - last
	}
	s.grown.count += step(s.last.count, v.count)
	s.grown.sum += step(s.last.sum, v.sum)
	s.last = v
}

// property is one random world.
type property struct {
	t    *testing.T
	seed uint64
	rnd  *rand.Rand

	now    time.Duration // since epoch
	want   map[string]plain
	got    map[string]*seen
	newest map[string]time.Duration
	used   map[string]bool // points that were sent: an equal one would be a repetition
}

var shapes = [][]float64{{1, 2}, {10, 20}, {1, 2}, nil}

// request makes points of several series and streams, some late, with equal times, or impossible to add up.
func (w *property) request() (md pmetric.Metrics, accept func()) {
	md = pmetric.NewMetrics()
	var accepted []func()
	for range 1 + w.rnd.IntN(2) {
		rm := md.ResourceMetrics().AppendEmpty()
		pid := w.rnd.Int64N(3)
		rm.Resource().Attributes().PutInt("pid", pid)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		histogram := w.rnd.IntN(2) == 0
		m.SetName(map[bool]string{true: "latency", false: "orders"}[histogram])
		if histogram {
			m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		} else {
			m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		}
		for range 1 + w.rnd.IntN(30) {
			w.now += []time.Duration{0, 0, 1, 100 * time.Microsecond, time.Millisecond, time.Second}[w.rnd.IntN(6)]
			at := w.now
			if w.rnd.IntN(10) == 0 {
				at -= time.Duration(w.rnd.IntN(int(time.Minute)))
			}
			if f := w.point(m, pid, max(at, 0)+time.Hour); f != nil {
				accepted = append(accepted, f)
			}
		}
	}
	return md, func() {
		for _, f := range accepted {
			f()
		}
	}
}

// point returns what to record when the point is accepted, nil if it can't be added up.
func (w *property) point(m pmetric.Metric, pid int64, at time.Duration) func() {
	stream := fmt.Sprint(w.rnd.IntN(2))
	series := m.Name() + stream
	v := float64(1 + w.rnd.IntN(5))
	mark := fmt.Sprint(series, pid, at, v)
	for w.used[mark] { // equal points of other requests are repetitions: see TestRepetitions
		v++
		mark = fmt.Sprint(series, pid, at, v)
	}
	w.used[mark] = true
	flaw := w.rnd.IntN(20)
	add := plain{v, v}
	if m.Type() == pmetric.MetricTypeHistogram {
		p := m.Histogram().DataPoints().AppendEmpty()
		p.Attributes().PutStr("stream", stream)
		p.SetTimestamp(pcommon.NewTimestampFromTime(epoch.Add(at)))
		p.SetCount(uint64(v))
		p.SetSum(v)
		if bounds := shapes[w.rnd.IntN(len(shapes))]; bounds != nil {
			p.ExplicitBounds().FromRaw(bounds)
			p.BucketCounts().FromRaw([]uint64{1, uint64(v) - 1, 0})
		}
		switch flaw {
		case 0:
			p.SetSum(math.NaN())
			add.sum = 0
		case 1:
			p.RemoveSum()
			add.sum = 0
		}
		return w.note(series, at, add)
	}
	p := m.Sum().DataPoints().AppendEmpty()
	p.Attributes().PutStr("stream", stream)
	p.SetTimestamp(pcommon.NewTimestampFromTime(epoch.Add(at)))
	switch flaw {
	case 0:
		p.SetDoubleValue(math.Inf(1))
		return nil
	case 1:
		return nil // no value
	}
	p.SetDoubleValue(v)
	return w.note(series, at, plain{v, v})
}

func (w *property) note(series string, at time.Duration, v plain) func() {
	return func() {
		x := w.want[series]
		w.want[series] = plain{x.count + v.count, x.sum + v.sum}
		w.newest[series] = max(w.newest[series], at)
	}
}

// store adds samples, none of which may be ahead of its series' newest point by more than lead.
func (w *property) store(md pmetric.Metrics, lead time.Duration) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			note := func(attributes pcommon.Map, at pcommon.Timestamp, v plain) {
				stream, _ := attributes.Get("stream")
				series := m.Name() + stream.Str()
				if w.got[series] == nil {
					w.got[series] = &seen{}
				}
				w.got[series].add(w.t, w.seed, at, v)
				require.LessOrEqual(w.t, at.AsTime().Sub(epoch), w.newest[series]+lead, "seed %d: %s", w.seed, series)
			}
			if m.Type() == pmetric.MetricTypeHistogram {
				for _, p := range m.Histogram().DataPoints().All() {
					note(p.Attributes(), p.Timestamp(), plain{float64(p.Count()), p.Sum()})
				}
				continue
			}
			for _, p := range m.Sum().DataPoints().All() {
				note(p.Attributes(), p.Timestamp(), plain{p.DoubleValue(), p.DoubleValue()})
			}
		}
	}
}

// Whatever is sent, in whatever order and however often, with restarts of the exporter in between: each series grows by the plain sum of
// its points, has one sample per millisecond, and none ahead of its points.
func TestTotalsArePlainSums(t *testing.T) {
	set := accumulate.Settings{MaxStreams: 1000, Idle: 24 * time.Hour, Undo: true}
	for seed := range uint64(150) {
		w := &property{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 21)), want: map[string]plain{}, got: map[string]*seen{}, newest: map[string]time.Duration{}, used: map[string]bool{}}
		s := accumulate.New(set)
		journal := seed%2 == 0
		releases := 0
		release := func(now time.Time) {
			s.Advance(now, true, delivery.Unbounded())
			for r, ok := s.Outbox(); ok; r, ok = s.Outbox() {
				releases++
				w.store(r.Metrics, time.Duration(10+releases)*time.Millisecond)
				s.Sent()
			}
		}
		for range 30 {
			md, accept := w.request()
			again := pmetric.NewMetrics()
			md.CopyTo(again)
			b := batch()
			for i := range md.ResourceMetrics().Len() {
				b.Records = append(b.Records, origin.Record{Number: i, Deduplicated: journal})
			}
			if w.rnd.IntN(8) == 0 && !journal { // refused by the next component, and sent again
				s.Apply(md, b)
				s.Undo()
				md = pmetric.NewMetrics()
				again.CopyTo(md)
			}
			accept()
			s.Apply(md, b)
			w.store(md, 10*time.Millisecond+time.Duration(releases)*time.Millisecond)
			if w.rnd.IntN(4) == 0 && !journal { // the answer was lost; a journal drops the repetition
				s.Apply(again, b)
				for _, rm := range again.ResourceMetrics().All() {
					require.Zero(t, rm.ScopeMetrics().At(0).Metrics().Len(), "seed %d: a repeated request adds nothing", seed)
				}
			}
			switch w.rnd.IntN(5) {
			case 0:
				var saved bytes.Buffer
				require.NoError(t, s.Snapshot(&saved))
				s = accumulate.New(set)
				require.NoError(t, s.Restore(&saved))
			case 1:
				release(epoch)
				release(epoch.Add(time.Hour))
			}
		}
		release(delivery.Unbounded())
		for series, want := range w.want {
			require.InDelta(t, want.count, w.got[series].grown.count, 1e-6, "seed %d: %s", seed, series)
			require.InDelta(t, want.sum, w.got[series].grown.sum, 1e-6, "seed %d: sum of %s", seed, series)
		}
	}
}
