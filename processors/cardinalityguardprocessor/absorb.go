package cardinalityguardprocessor

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/repeat"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/fold"
)

const (
	overflowAttribute  = "otel.metric.overflow"
	partitionAttribute = "penstock.partition"

	// lastResortSpare is how many streams a metric may have beyond its reserve: the last-resort streams, one for each unit and type of the
	// metric.
	lastResortSpare = 64
	lastResort      = -1
)

// absorber folds the limited points of one batch.
type absorber struct {
	p      *partition
	r      *rules
	t      *tally
	in     *limited
	origin *source
	entry  uint32 // the metric's, if a sender may have repeated points
	rm     pmetric.ResourceMetrics
	sm     pmetric.ScopeMetrics
	m      pmetric.Metric
	agg    fold.Aggregation
	mono   bool

	encoded []byte
	leave   func() // of the session
	done    int    // points since it was entered
}

// pointsAtOnce is how many points are folded before a checkpoint may run in between: a checkpoint waits for folding, and blocks all
// batches meanwhile.
const pointsAtOnce = 64

// absorb merges the points that split removed into the overflow streams.
func (p *partition) absorb(in *limited, t *tally) {
	a := absorber{p: p, r: p.rules.Load(), t: t, in: in, leave: p.session.Enter()}
	defer func() { a.leave() }()
	next := 0
	for i := range in.metrics.ResourceMetrics().Len() {
		a.rm = in.metrics.ResourceMetrics().At(i)
		for j := range a.rm.ScopeMetrics().Len() {
			a.sm = a.rm.ScopeMetrics().At(j)
			for k := range a.sm.Metrics().Len() {
				a.m, a.origin = a.sm.Metrics().At(k), &in.origins[next]
				next++
				a.metric()
			}
		}
	}
}

func (a *absorber) metric() {
	a.entry = a.p.repeats.Entry()
	cumulative := a.origin.temporality != pmetric.AggregationTemporalityDelta
	a.agg, a.mono = fold.Delta, true
	if cumulative {
		a.agg = fold.Running
	}
	switch a.m.Type() {
	case pmetric.MetricTypeGauge:
		a.agg, a.mono = a.r.gauge, false
		a.numbers(a.m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		a.mono = a.m.Sum().IsMonotonic()
		a.numbers(a.m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		dps := a.m.Histogram().DataPoints()
		for i := range dps.Len() {
			dp := dps.At(i)
			if dp.Flags().NoRecordedValue() {
				a.dropNoValue()
				continue
			}
			v, err := fold.FromHistogram(dp)
			if err != nil {
				a.dropMalformed()
				continue
			}
			a.point(i, dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), v, dp.Exemplars())
		}
	case pmetric.MetricTypeExponentialHistogram:
		dps := a.m.ExponentialHistogram().DataPoints()
		for i := range dps.Len() {
			dp := dps.At(i)
			if dp.Flags().NoRecordedValue() {
				a.dropNoValue()
				continue
			}
			v, err := fold.FromExponential(dp)
			if err != nil {
				a.dropMalformed()
				continue
			}
			a.point(i, dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), v, dp.Exemplars())
		}
	case pmetric.MetricTypeSummary:
		a.agg = fold.Running
		dps := a.m.Summary().DataPoints()
		for i := range dps.Len() {
			dp := dps.At(i)
			if dp.Flags().NoRecordedValue() {
				a.dropNoValue()
				continue
			}
			a.t.quantiles += int64(dp.QuantileValues().Len())
			a.point(i, dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), fold.FromSummary(dp), pmetric.ExemplarSlice{})
		}
	}
}

func (a *absorber) numbers(dps pmetric.NumberDataPointSlice) {
	for i := range dps.Len() {
		dp := dps.At(i)
		if dp.Flags().NoRecordedValue() || dp.ValueType() == pmetric.NumberDataPointValueTypeEmpty {
			if !a.end(dp.Attributes(), dp.Timestamp()) {
				a.dropNoValue()
			}
			continue
		}
		a.point(i, dp.Attributes(), dp.StartTimestamp(), dp.Timestamp(), fold.FromNumber(dp), dp.Exemplars())
	}
}

// end removes a stream that has no value any more from a sum of latest values.
func (a *absorber) end(attrs pcommon.Map, at pcommon.Timestamp) bool {
	if a.agg != fold.Running || a.mono {
		return false
	}
	sh := a.p.fold.Lock(a.origin.node.ID)
	defer sh.Unlock()
	if !sh.End(streamkey.Stream(a.origin.metricKey, attrs), a.p.bounded(int64(at))) {
		return false
	}
	a.t.folded++
	return true
}

func (a *absorber) dropNoValue() {
	a.t.dropped++
	a.t.noValue++
}

func (a *absorber) dropMalformed() {
	a.t.dropped++
	a.t.malformed++
}

// point folds the i-th point of the current metric.
func (a *absorber) point(i int, attrs pcommon.Map, start, at pcommon.Timestamp, v fold.Value, exemplars pmetric.ExemplarSlice) {
	if a.done++; a.done > pointsAtOnce {
		a.leave()
		a.leave, a.done = a.p.session.Enter(), 1
	}
	n := a.origin.node
	attrsKey := streamkey.Attributes(attrs)
	pt := fold.Point{
		Key: attrsKey.In(a.origin.metricKey), Start: int64(start), Time: a.p.bounded(int64(at)), Value: v,
		Exemplars: exemplars, Since: max(a.origin.began, a.origin.admissionEdge),
	}
	if a.repeats(pt) {
		a.t.dropped++
		a.t.repeated++
		return
	}
	sh := a.p.fold.Lock(n.ID)
	defer sh.Unlock()
	var s *fold.Stream
	if a.agg == fold.Running {
		s, _ = sh.Folded(pt.Key)
	}
	if s == nil {
		if s = a.stream(sh, attrs, attrsKey, a.origin.levels[i], v.Kind); s == nil {
			a.t.dropped++
			a.t.overflow++
			return
		}
	}
	o := sh.Fold(s, pt)
	switch o.Refusal {
	case fold.NotFinite:
		a.t.dropped++
		a.t.notFinite++
		return
	case fold.TooMany:
		a.t.dropped++
		a.t.countOverflow++
		return
	case fold.Negative:
		a.dropMalformed()
		return
	case fold.TooLate:
		a.t.dropped++
		a.t.tooLate++
		return
	}
	a.t.folded++
	a.count(o)
}

// repeats reports whether a delta point was sent before, by a request whose repetitions the journal can't recognize.
func (a *absorber) repeats(pt fold.Point) bool {
	if a.agg != fold.Delta || a.origin.deduplicated {
		return false
	}
	a.encoded = pt.Value.Append(a.encoded[:0])
	return a.p.repeats.Again(repeat.Mark(pt.Key, pt.Start, pt.Time, a.encoded), a.entry)
}

func (a *absorber) count(o fold.Outcome) {
	if o.Step == datapoint.Baseline {
		a.t.lostBaseline++
	}
	if o.SumNotFinite {
		a.t.sumNotFinite++
	}
	if o.NoSum {
		a.t.noSum++
	}
	if o.Late {
		a.t.late++
		a.p.late.Add(1)
	}
	if o.Coarsened {
		a.t.coarsened++
	}
	a.t.evicted += int64(o.Evicted)
}

// stream returns the overflow stream for a point: an existing one on any level of the verdict, the narrowest first, so that streams keep
// their meaning; else a new one, on the widest level; past all budgets the last resort.
func (a *absorber) stream(sh *fold.Shard, attrs pcommon.Map, attrsKey streamkey.Key, level admission.Level, kind fold.Kind) *fold.Stream {
	verdict := a.origin.node.Growth.Verdict()
	if verdict == nil && level == admission.Denied {
		only := &admission.Verdict{Ends: []int{0}}
		key := a.residual(attrs, attrsKey, only, 0)
		if s := sh.Stream(key); s != nil {
			return s
		}
		if a.p.tree.Take(a.origin.node) == admission.None {
			return sh.Add(a.identity(key, attrs, only, 0, kind, true))
		}
	}
	verdict = a.p.judge(a.origin.node, a.origin.lists)
	for level := range verdict.Ends {
		if s := sh.Stream(a.residual(attrs, attrsKey, verdict, level)); s != nil {
			return s
		}
	}
	for {
		last := len(verdict.Ends) - 1
		key := a.residual(attrs, attrsKey, verdict, last)
		if s := sh.Stream(key); s != nil {
			return s
		}
		room, full := sh.Room(a.origin.node.ID, last)
		if room {
			return sh.Add(a.identity(key, attrs, verdict, last, kind, false))
		}
		if full {
			break
		}
		wider, ok := a.p.widen(a.origin.node, a.origin.lists)
		if !ok {
			break
		}
		verdict = wider
	}
	key := a.residual(attrs, attrsKey, verdict, lastResort)
	if s := sh.Stream(key); s != nil {
		return s
	}
	if !sh.Spare(a.origin.node.ID, lastResortSpare) {
		return nil
	}
	return sh.Add(a.identity(key, attrs, verdict, lastResort, kind, false))
}
