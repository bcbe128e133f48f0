package rollup

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// State is the rollup of one partition.
//
// Add is safe for concurrent use, and so is Render beside Add. The others are for one goroutine and not
// beside any of these.
type State struct {
	configured Spec
	spec       Spec // in force; differs from configured between Restore and Adopt
	label      string
	began      int64

	engines []*engine
	streams atomic.Int64 // slots in use, of all engines
	runs    *runs
	names   *interner
	idents  *interner
	metrics *interner

	wmu   sync.Mutex
	water *window.Watermark // guarded by wmu

	cmu   sync.RWMutex
	cache map[metricID]wanted // guarded by cmu

	// mark: everything that ends at or before it has closed. It moves in Advance only.
	mark   int64
	outbox []closing
	sent   int // pieces of the outbox that have been taken downstream already

	lastNewest int64     // newest event time at the last Advance
	activeAt   time.Time // when it last moved
	sweptAt    int64     // event time of the last look for forgotten streams
}

// wanted is what is known of a metric.
type wanted struct {
	engines []*engine // that match it
	key     streamkey.Key
}

// maxCachedMetrics bounds the cache of matches; past it, it begins anew.
const maxCachedMetrics = 50_000

// New returns an empty state. label marks overflow streams, so that those of two partitions are never one
// series; began is when the partition's state began (see datapoint.First).
func New(spec Spec, label string, began time.Time) *State {
	s := &State{configured: spec, label: label, began: began.UnixNano()}
	s.reset(spec)
	for _, r := range spec.Rules {
		s.engines = append(s.engines, newEngine(r, spec.Settings, window.Never))
	}
	return s
}

func (s *State) reset(spec Spec) {
	s.spec, s.engines, s.outbox, s.sent = spec, nil, nil, 0
	s.runs, s.names, s.idents, s.metrics = newRuns(), newInterner(), newInterner(), newInterner()
	s.water = window.NewWatermark(spec.IdleTimeout, spec.MaxSources)
	s.cache = map[metricID]wanted{}
	s.streams.Store(0)
	s.mark, s.lastNewest, s.sweptAt, s.activeAt = window.Never, window.Never, window.Never, time.Time{}
}

// Reason says why a point was not rolled up.
type Reason uint8

// The reasons.
const (
	Late        Reason = iota // its pane has closed
	Future                    // further ahead of the clock than Settings.MaxFuture
	NoTime                    // it has no time stamp
	NoValue                   // it says that there is no value
	NotFinite                 // NaN or infinite
	Malformed                 // it contradicts itself
	Temporality               // neither delta nor cumulative
	StreamLimit               // no room for one more stream
	Reasons
)

// String returns the reason as metric attributes use it.
func (r Reason) String() string {
	return [...]string{"late", "future", "no_time", "no_value", "not_finite", "malformed", "temporality", "stream_limit"}[r]
}

// Outcome counts what became of a batch, in data points.
type Outcome struct {
	Rolled    int            // went into at least one pane
	Lost      [Reasons]int   // went into none
	Steps     [5]int         // cumulative points by datapoint.Step
	Folded    int            // went into an overflow stream
	Routed    int            // late, marked and passed on
	Corrected int            // late, and corrected a window
	Coarsened int            // histograms that lost bounds
	LateBy    map[string]int // late points by metric; nil if there are none
}

// LateAttribute marks late points that are passed on.
const LateAttribute = "rollup.late"

// Add takes a batch in. tenant is the sender's from the request's metadata, empty if there is none; now is the time of
// arrival. What is left in md afterwards is to be passed on: metrics that no rule wants, or whose rule
// keeps the raw points, and late points that are routed. With passed, what Raw returned is downstream already, and
// is not left.
func (s *State) Add(md pmetric.Metrics, tenant string, now time.Time, passed bool) (out Outcome) {
	b := batch{s: s, tenant: tenant, now: now.UnixNano(), passed: passed, out: &out, set: &s.spec.Settings}
	if tenant != "" {
		b.tenantKey = keyOfText("tenant", tenant)
	}
	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		if rm.ScopeMetrics().Len() == 0 {
			return false
		}
		b.enterResource(rm.Resource().Attributes())
		rm.ScopeMetrics().RemoveIf(func(sm pmetric.ScopeMetrics) bool {
			if sm.Metrics().Len() == 0 {
				return false
			}
			b.scope, b.scopeKey, b.kept = sm.Scope(), streamkey.Scope(sm.Scope()), b.kept[:0]
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool { return !b.metric(m) })
			return sm.Metrics().Len() == 0
		})
		b.observe()
		return rm.ScopeMetrics().Len() == 0
	})
	return out
}

// lookUp finds the engines that match m.
func (s *State) lookUp(m pmetric.Metric) wanted {
	id := identify(m)
	s.cmu.RLock()
	found, ok := s.cache[id]
	s.cmu.RUnlock()
	if ok {
		return found
	}
	found.key = id.key()
	for _, e := range s.engines {
		if e.rule.Match.metric(id.name, id.kind) {
			found.engines = append(found.engines, e)
		}
	}
	s.cmu.Lock()
	defer s.cmu.Unlock()
	if len(s.cache) >= maxCachedMetrics {
		clear(s.cache)
	}
	id.name, id.unit = strings.Clone(id.name), strings.Clone(id.unit)
	s.cache[id] = found
	return found
}

// point is one data point on its way into panes.
type point struct {
	kind          aggregate.Kind
	at            int64
	value, latest float64 // numbers
	histogram     datapoint.Histogram
	exponential   datapoint.Exponential
	summary       datapoint.Summary
}

func (p *point) addTo(c aggregate.Cell, maxBuckets int) (coarsened bool) {
	switch p.kind {
	case aggregate.Histogram:
		return c.Explicit(p.histogram)
	case aggregate.Exponential:
		c.Exponential(p.exponential, maxBuckets)
	case aggregate.Summary:
		c.Summary(p.summary)
	default:
		c.Number(p.value, p.latest, p.at, maxBuckets)
	}
	return false
}

// batch is the state of one Add.
type batch struct {
	s      *State
	set    *Settings
	out    *Outcome
	tenant string
	now    int64

	tenantKey streamkey.Key
	passed    bool

	// of the resource
	attributes pcommon.Map
	resource   streamkey.Key // all of it: also names the source
	newest     int64
	kept       []keptResource

	// of the scope
	scope    pcommon.InstrumentationScope
	scopeKey streamkey.Key

	// of the metric
	m          pmetric.Metric
	metricKey  streamkey.Key
	streams    streamkey.Key // of the metric in its scope and resource
	candidates []*engine

	// of the point
	wanted []*engine
	input  streamkey.Key // the input stream; zero before it is needed
}

// keptResource is what an engine keeps of the resource.
type keptResource struct {
	e   *engine
	key streamkey.Key
}

func (b *batch) enterResource(attributes pcommon.Map) {
	b.attributes, b.newest = attributes, window.Never
	b.resource = streamkey.Attributes(attributes).Plus(b.tenantKey)
	b.kept = b.kept[:0]
}

// observe tells the watermark how far the resource has come.
func (b *batch) observe() {
	if b.newest == window.Never {
		return
	}
	b.s.wmu.Lock()
	b.s.water.Observe(b.resource.Lo|1, b.newest)
	b.s.wmu.Unlock()
}

// keptOf returns the key of what e keeps of tenant and resource.
func (b *batch) keptOf(e *engine) streamkey.Key {
	for _, x := range b.kept {
		if x.e == e {
			return x.key
		}
	}
	k := keyOf(b.attributes, e.group.keepsOfResource).Plus(b.tenantKey)
	if e.group.by == nil {
		k = b.scopeKey.In(k)
	}
	b.kept = append(b.kept, keptResource{e, k})
	return k
}

// metric takes one metric in, and says whether any of it is to be passed on.
func (b *batch) metric(m pmetric.Metric) bool {
	found := b.s.lookUp(m)
	b.m, b.metricKey, b.candidates = m, found.key, found.engines
	b.streams = b.metricKey.In(b.scopeKey.In(b.resource))
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		dps := m.Gauge().DataPoints()
		n := dps.Len()
		dps.RemoveIf(func(dp pmetric.NumberDataPoint) bool { return !b.number(dp, aggregate.Gauge, false) })
		return n == 0 || dps.Len() > 0
	case pmetric.MetricTypeSum:
		dps := m.Sum().DataPoints()
		n := dps.Len()
		kind, cumulative, ok := kindOfSum(m.Sum())
		dps.RemoveIf(func(dp pmetric.NumberDataPoint) bool {
			if !ok {
				return !b.refuse(dp.Timestamp(), dp.Attributes(), Temporality)
			}
			return !b.number(dp, kind, cumulative)
		})
		return n == 0 || dps.Len() > 0
	case pmetric.MetricTypeHistogram:
		dps := m.Histogram().DataPoints()
		n := dps.Len()
		temporality := m.Histogram().AggregationTemporality()
		dps.RemoveIf(func(dp pmetric.HistogramDataPoint) bool { return !b.explicit(dp, temporality) })
		return n == 0 || dps.Len() > 0
	case pmetric.MetricTypeExponentialHistogram:
		dps := m.ExponentialHistogram().DataPoints()
		n := dps.Len()
		temporality := m.ExponentialHistogram().AggregationTemporality()
		dps.RemoveIf(func(dp pmetric.ExponentialHistogramDataPoint) bool { return !b.exponential(dp, temporality) })
		return n == 0 || dps.Len() > 0
	case pmetric.MetricTypeSummary:
		dps := m.Summary().DataPoints()
		n := dps.Len()
		dps.RemoveIf(func(dp pmetric.SummaryDataPoint) bool { return !b.summary(dp) })
		return n == 0 || dps.Len() > 0
	default:
		return true
	}
}

func kindOfSum(sum pmetric.Sum) (kind aggregate.Kind, cumulative, ok bool) {
	switch t := sum.AggregationTemporality(); {
	case t == pmetric.AggregationTemporalityDelta && sum.IsMonotonic():
		return aggregate.Counter, false, true
	case t == pmetric.AggregationTemporalityDelta:
		return aggregate.Net, false, true
	case t == pmetric.AggregationTemporalityCumulative && sum.IsMonotonic():
		return aggregate.Counter, true, true
	case t == pmetric.AggregationTemporalityCumulative:
		return aggregate.Gauge, false, true
	default:
		return 0, false, false
	}
}

// begin finds the engines that want the point. raw says whether it is passed on; take, whether any engine
// takes it in. It counts why not.
func (b *batch) begin(kind aggregate.Kind, ts pcommon.Timestamp, flags pmetric.DataPointFlags, attributes pcommon.Map) (at int64, raw, take bool) {
	t := int64(ts)
	future := t > b.now+int64(b.set.MaxFuture) || t < 0
	if ts != 0 && !future {
		b.newest = max(b.newest, min(t, b.now))
	}
	if at = t; b.set.ProcessingTime {
		at = b.now
		b.newest = b.now
	}
	raw = b.want(kind, at, attributes)
	keep := raw && !b.passed
	if len(b.wanted) == 0 {
		return at, keep, false
	}
	switch {
	case flags.NoRecordedValue():
		b.out.Lost[NoValue]++
	case ts == 0 && !b.set.ProcessingTime:
		b.out.Lost[NoTime]++
	case future && !b.set.ProcessingTime:
		b.out.Lost[Future]++
	case b.allLate(at):
		return at, b.late(attributes, raw) || keep, false
	default:
		return at, keep, true
	}
	return at, keep, false
}

// want finds the engines that want a point of a candidate metric, and says whether the raw point is kept.
func (b *batch) want(kind aggregate.Kind, at int64, attributes pcommon.Map) (raw bool) {
	b.wanted, b.input = b.wanted[:0], streamkey.Key{}
	for _, e := range b.candidates {
		if len(e.tables[kind].plan.Outputs) > 0 && e.covers(at) &&
			(len(e.rule.Match.Attributes) == 0 || e.rule.Match.attributes(b.attributes, attributes)) {
			b.wanted = append(b.wanted, e)
			raw = raw || e.rule.KeepRaw
		}
	}
	return raw || len(b.wanted) == 0
}

// allLate says whether no engine can use a point of that time.
func (b *batch) allLate(at int64) bool {
	mark := b.s.mark
	return !slices.ContainsFunc(b.wanted, func(e *engine) bool { return !e.late(at, mark) || e.correctable(at, mark) })
}

// late counts a late point, and says whether it is routed: not if it is kept anyway.
func (b *batch) late(attributes pcommon.Map, raw bool) (routed bool) {
	if b.out.LateBy == nil {
		b.out.LateBy = map[string]int{}
	}
	b.out.LateBy[b.m.Name()]++
	if b.set.OnLate == Route && !raw {
		attributes.PutBool(LateAttribute, true)
		b.out.Routed++
		return true
	}
	b.out.Lost[Late]++
	return false
}

// refuse counts a point that can't be rolled up, and says whether it is passed on.
func (b *batch) refuse(ts pcommon.Timestamp, attributes pcommon.Map, why Reason) (raw bool) {
	_, raw, take := b.begin(aggregate.Counter, ts, pmetric.DefaultDataPointFlags, attributes)
	if take {
		b.out.Lost[why]++
	}
	return raw
}

func (b *batch) number(dp pmetric.NumberDataPoint, kind aggregate.Kind, cumulative bool) (raw bool) {
	at, raw, take := b.begin(kind, dp.Timestamp(), dp.Flags(), dp.Attributes())
	if !take {
		return raw
	}
	v := datapoint.FromNumber(dp)
	f := v.Float64()
	if f-f != 0 { // NaN or infinite
		b.out.Lost[NotFinite]++
		return raw
	}
	p := point{kind: kind, at: at, value: f, latest: f}
	if cumulative {
		inc, step, full := b.s.runs.number(b.inputStream(dp.Attributes()), v,
			int64(dp.StartTimestamp()), int64(dp.Timestamp()), b.s.began, b.set.MaxInputStreams)
		if !b.counts(step, full) {
			return raw
		}
		p.value = inc.Float64()
	}
	b.add(&p, dp.Attributes())
	return raw
}

func (b *batch) explicit(dp pmetric.HistogramDataPoint, temporality pmetric.AggregationTemporality) (raw bool) {
	at, raw, take := b.begin(aggregate.Histogram, dp.Timestamp(), dp.Flags(), dp.Attributes())
	if !take {
		return raw
	}
	h, err := datapoint.FromHistogram(dp)
	if err != nil {
		b.out.Lost[Malformed]++
		return raw
	}
	if h.Sum-h.Sum != 0 {
		h.HasSum, h.Sum = false, 0
	}
	p := point{kind: aggregate.Histogram, at: at, histogram: h}
	switch temporality {
	case pmetric.AggregationTemporalityDelta:
	case pmetric.AggregationTemporalityCumulative:
		inc, step, full := increase(b.s.runs, func(sh *runShard) map[streamkey.Key]*run[datapoint.Histogram] { return sh.histogram },
			datapoint.Histogram.Sub, b.inputStream(dp.Attributes()), h,
			int64(dp.StartTimestamp()), int64(dp.Timestamp()), b.s.began, b.set.MaxInputStreams)
		if !b.counts(step, full) {
			return raw
		}
		p.histogram = inc
	default:
		b.out.Lost[Temporality]++
		return raw
	}
	b.add(&p, dp.Attributes())
	return raw
}

func (b *batch) exponential(dp pmetric.ExponentialHistogramDataPoint, temporality pmetric.AggregationTemporality) (raw bool) {
	at, raw, take := b.begin(aggregate.Exponential, dp.Timestamp(), dp.Flags(), dp.Attributes())
	if !take {
		return raw
	}
	e, err := datapoint.FromExponential(dp, b.set.MaxBuckets)
	if err != nil {
		b.out.Lost[Malformed]++
		return raw
	}
	if e.Sum-e.Sum != 0 {
		e.HasSum, e.Sum = false, 0
	}
	p := point{kind: aggregate.Exponential, at: at, exponential: e}
	switch temporality {
	case pmetric.AggregationTemporalityDelta:
	case pmetric.AggregationTemporalityCumulative:
		inc, step, full := increase(b.s.runs, func(sh *runShard) map[streamkey.Key]*run[datapoint.Exponential] { return sh.exponential },
			func(v, prev datapoint.Exponential) (datapoint.Exponential, bool, bool) {
				inc, fell := v.Sub(prev)
				return inc, fell, true
			},
			b.inputStream(dp.Attributes()), e,
			int64(dp.StartTimestamp()), int64(dp.Timestamp()), b.s.began, b.set.MaxInputStreams)
		if !b.counts(step, full) {
			return raw
		}
		p.exponential = inc
	default:
		b.out.Lost[Temporality]++
		return raw
	}
	b.add(&p, dp.Attributes())
	return raw
}

func (b *batch) summary(dp pmetric.SummaryDataPoint) (raw bool) {
	at, raw, take := b.begin(aggregate.Summary, dp.Timestamp(), dp.Flags(), dp.Attributes())
	if !take {
		return raw
	}
	v := datapoint.FromSummary(dp)
	if v.Sum-v.Sum != 0 {
		b.out.Lost[NotFinite]++
		return raw
	}
	inc, step, full := increase(b.s.runs, func(sh *runShard) map[streamkey.Key]*run[datapoint.Summary] { return sh.summary },
		func(v, prev datapoint.Summary) (datapoint.Summary, bool, bool) {
			inc, fell := v.Sub(prev)
			return inc, fell, true
		},
		b.inputStream(dp.Attributes()), v,
		int64(dp.StartTimestamp()), int64(dp.Timestamp()), b.s.began, b.set.MaxInputStreams)
	if !b.counts(step, full) {
		return raw
	}
	b.add(&point{kind: aggregate.Summary, at: at, summary: inc}, dp.Attributes())
	return raw
}

// counts notes what a cumulative point is, and says whether it brings an increase.
func (b *batch) counts(step datapoint.Step, full bool) bool {
	if full {
		b.out.Lost[StreamLimit]++
		return false
	}
	b.out.Steps[step]++
	return step == datapoint.Begun || step == datapoint.Grown || step == datapoint.Reset
}

// inputStream identifies the stream that the point belongs to.
func (b *batch) inputStream(attributes pcommon.Map) streamkey.Key {
	if b.input == (streamkey.Key{}) {
		b.input = streamkey.Stream(b.streams, attributes)
	}
	return b.input
}

// add puts p into the panes of all engines that want it.
func (b *batch) add(p *point, attributes pcommon.Map) {
	rolled := false
	for _, e := range b.wanted {
		isLate := e.late(p.at, b.s.mark)
		if isLate && !e.correctable(p.at, b.s.mark) {
			continue // another rule with longer panes takes it
		}
		t := e.tables[p.kind]
		var k streamkey.Key
		if e.group.all() {
			k = b.inputStream(attributes)
		} else {
			k = keyOf(attributes, e.group.keeps).In(b.keptOf(e).In(b.metricKey))
		}
		if b.addTo(e, t, k, p, attributes, isLate) {
			rolled = true
		}
	}
	if rolled {
		b.out.Rolled++
	}
}

func (b *batch) addTo(e *engine, t *table, k streamkey.Key, p *point, attributes pcommon.Map, isLate bool) bool {
	sh := t.shard(k)
	sh.mu.Lock()
	slot, ok := sh.index[k]
	if !ok {
		if !b.room(e) {
			sh.mu.Unlock()
			return b.overflow(e, t, p, isLate)
		}
		slot = sh.newSlot(b.newSlot(e, k, p.at, attributes))
	}
	b.put(e, t, sh, slot, p, isLate)
	sh.mu.Unlock()
	return true
}

func (b *batch) put(e *engine, t *table, sh *shard, slot uint32, p *point, isLate bool) {
	if isLate {
		e.correct(t, sh, slot, p, b.s.mark, b.set.MaxBuckets)
		b.out.Corrected++
	} else if t.add(sh, slot, p, b.set.MaxBuckets) {
		b.out.Coarsened++
	}
}

// room takes a place for one more stream, if there is one.
func (b *batch) room(e *engine) bool {
	if b.s.streams.Add(1) <= int64(b.set.MaxStreams) {
		if n := e.streams.Add(1); e.rule.MaxStreams == 0 || n <= int64(e.rule.MaxStreams) {
			return true
		}
		e.streams.Add(-1)
	}
	b.s.streams.Add(-1)
	return false
}
