package rollup

import (
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// Sender describes where a batch comes from.
type Sender struct {
	Tenant  string          // from the request's metadata, empty if there is none
	Records []origin.Record // of each resource; nil without a journal
	// Began is when the state of a tenant began; nil: all began with the partition.
	Began func(tenant string) time.Time
}

// Add adds a batch; now is the time of arrival. Afterwards md has only what is to be passed on: metrics that match no rule, or whose rule
// keeps the raw points, and late points that are routed. If passed is given, the output of Raw was already sent, and is removed from md.
func (s *State) Add(md pmetric.Metrics, from Sender, now time.Time, passed *Passed) (out Outcome) {
	b := s.newBatch(now)
	b.tenant, b.beganFor, b.passed, b.out = from.Tenant, from.Began, passed, &out
	if b.tenant != "" {
		b.tenantKey = keyOfText("tenant", b.tenant)
	}
	next := 0
	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		b.deduplicated = next < len(from.Records) && from.Records[next].Deduplicated
		next++
		if rm.ScopeMetrics().Len() == 0 {
			return false
		}
		b.enterResource(rm.Resource().Attributes())
		rm.ScopeMetrics().RemoveIf(func(sm pmetric.ScopeMetrics) bool {
			if sm.Metrics().Len() == 0 {
				return false
			}
			b.scope, b.scopeKey = sm.Scope(), streamkey.Scope(sm.Scope())
			b.forgetKept()
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool { return !b.metric(m) })
			return sm.Metrics().Len() == 0
		})
		b.observe()
		return rm.ScopeMetrics().Len() == 0
	})
	b.forgetKept()
	if b.chunk != nil {
		s.release(b.chunk)
	}
	return out
}

// batch is the state of one Add.
type batch struct {
	s      *State
	set    *Settings
	out    *Outcome
	tenant string
	now    int64

	beganFor func(tenant string) time.Time

	tenantKey streamkey.Key
	passed    *Passed

	// of the resource
	attributes pcommon.Map
	resource   streamkey.Key // its full identity, which also names the source
	began      int64         // when its tenant's state began
	newest     int64         // newest of its points, but not past now
	latest     int64         // newest of those that were counted
	kept       []keptResource
	// deduplicated: the journal has dropped repetitions of its request.
	deduplicated bool

	// of the scope
	scope    pcommon.InstrumentationScope
	scopeKey streamkey.Key

	// State of the metric.
	m          pmetric.Metric
	metricKey  streamkey.Key
	streams    streamkey.Key // of the metric in its scope and resource
	candidates []*engine
	entry      uint32 // of the metric, if a sender may have repeated points

	// Numbers of the streams that are created; metricID and the idents of kept are retained until the metric or resource ends.
	metricText  []byte
	metricID    uint32
	metricNamed bool
	encoder     attributeEncoder
	packed      []byte
	descriptor  lastDescriptor

	// of the point
	wanted []*engine
	input  streamkey.Key // the input stream; zero before it is needed

	encoded []byte // the value of the point

	chunk *chunk // of numbers; nil until there is one
	raw   []bool // which of a metric's numbers are passed on
}

// lastDescriptor is the descriptor of the stream that was created last, of the same metric.
type lastDescriptor struct {
	known bool
	id    uint32
	of    descriptor
	names []byte
}

// keptResource is the part of tenant, resource and scope that an engine keeps.
type keptResource struct {
	e     *engine
	key   streamkey.Key
	ident uint32 // interned, and retained, if named: a stream needs it
	named bool
}

func (s *State) newBatch(now time.Time) *batch {
	return &batch{s: s, set: &s.spec.Settings, now: now.UnixNano()}
}

func (b *batch) enterResource(attributes pcommon.Map) {
	b.attributes, b.newest, b.latest = attributes, window.Never, window.Never
	b.resource = streamkey.Attributes(attributes).Plus(b.tenantKey)
	b.began = b.s.began
	if b.beganFor != nil {
		name, _ := tenant.Of(b.tenant, attributes)
		b.began = b.beganFor(name).UnixNano()
	}
	b.forgetKept()
}

// forgetKept releases what engines keep of another scope.
func (b *batch) forgetKept() {
	for _, k := range b.kept {
		if k.named {
			b.s.idents.release(k.ident)
		}
	}
	b.kept = b.kept[:0]
}

// observe reports the resource's newest time to the watermark.
func (b *batch) observe() {
	if b.newest == window.Never {
		return
	}
	b.s.wmu.Lock()
	b.s.water.Observe(b.resource.Lo|1, b.newest)
	b.s.latest = max(b.s.latest, b.latest)
	b.s.slowest = min(b.s.slowest, b.newest)
	b.s.wmu.Unlock()
}

// keptOf returns what e keeps. The pointer is valid until the next call.
func (b *batch) keptOf(e *engine) *keptResource {
	for i := range b.kept {
		if b.kept[i].e == e {
			return &b.kept[i]
		}
	}
	k := keyOf(b.attributes, e.group.keepsOfResource).Plus(b.tenantKey)
	if e.group.by == nil {
		k = b.scopeKey.In(k)
	}
	b.kept = append(b.kept, keptResource{e: e, key: k})
	return &b.kept[len(b.kept)-1]
}

// metric adds one metric, and reports whether any of it is to be passed on.
func (b *batch) metric(m pmetric.Metric) bool {
	found := b.s.lookUp(m)
	b.m, b.metricKey, b.candidates = m, found.key, found.engines
	defer b.forgetDescriptor()
	b.streams = b.metricKey.In(b.scopeKey.In(b.resource))
	b.entry = b.s.repeats.Entry()
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return b.numbers(m.Gauge().DataPoints(), aggregate.Gauge, false)
	case pmetric.MetricTypeSum:
		dps := m.Sum().DataPoints()
		if kind, cumulative, ok := kindOfSum(m.Sum()); ok {
			return b.numbers(dps, kind, cumulative)
		}
		n := dps.Len()
		dps.RemoveIf(func(dp pmetric.NumberDataPoint) bool {
			return !b.refuse(dp.Timestamp(), dp.Attributes(), NoTemporality)
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

// begin finds the engines that match the point. raw reports whether it is passed on; take, whether any engine counts it. It counts the
// reason if none does.
func (b *batch) begin(kind aggregate.Kind, ts pcommon.Timestamp, flags pmetric.DataPointFlags, attributes pcommon.Map) (at int64, raw, take bool) {
	b.out.Points++
	at = b.eventTime(ts)
	if !b.ahead(at) && at != 0 {
		b.newest = max(b.newest, min(at, b.now))
	}
	raw = b.want(kind, at, attributes)
	keep := raw && b.passed == nil
	if len(b.wanted) == 0 {
		b.out.Unmatched++
		return at, keep, false
	}
	if why, bad := b.refusal(at, flags); bad {
		b.out.lose(why)
		return at, keep, false
	}
	if b.allLate(at, b.s.mark) {
		return at, b.late(at, attributes, raw) || keep, false
	}
	b.latest = max(b.latest, at)
	return at, keep, true
}

// eventTime returns the time by which a point is put into windows.
func (b *batch) eventTime(ts pcommon.Timestamp) int64 {
	if b.set.ProcessingTime {
		return b.now
	}
	return int64(ts)
}

// ahead reports whether a time is too far in the future.
func (b *batch) ahead(at int64) bool { return at > b.now+int64(b.set.MaxFuture) || at < 0 }

// refusal returns why no window can count a point, whatever its value.
func (b *batch) refusal(at int64, flags pmetric.DataPointFlags) (why Reason, bad bool) {
	switch {
	case flags.NoRecordedValue():
		return NoValue, true
	case at == 0:
		return NoTime, true
	case b.ahead(at):
		return Future, true
	default:
		return 0, false
	}
}

// want finds the engines that match a point of a candidate metric, and reports whether the raw point is kept.
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

// allLate reports whether no engine can use a point of that time once everything up to mark has closed.
func (b *batch) allLate(at, mark int64) bool {
	return !slices.ContainsFunc(b.wanted, func(e *engine) bool { return !e.late(at, mark) || e.correctable(at, mark) })
}

// late counts a late point, and reports whether it is to be passed on as late: not if it is kept anyway, and not if Raw has returned it.
func (b *batch) late(at int64, attributes pcommon.Map, raw bool) (routed bool) {
	b.missed()
	if b.set.OnLate != Route || raw {
		b.out.Lost++
		b.out.Why[Late] += len(b.wanted)
		return false
	}
	b.out.Routed++
	if b.passed != nil && b.allLate(at, b.passed.mark) {
		return false
	}
	attributes.PutBool(LateAttribute, true)
	return true
}

// missed notes that the metric has a late point.
func (b *batch) missed() {
	if b.out.LateBy == nil {
		b.out.LateBy = map[string]int{}
	}
	b.out.LateBy[b.m.Name()]++
}

// refuse counts a point that can't be aggregated, and reports whether it is passed on.
func (b *batch) refuse(ts pcommon.Timestamp, attributes pcommon.Map, why Reason) (raw bool) {
	_, raw, take := b.begin(aggregate.Counter, ts, pmetric.DefaultDataPointFlags, attributes)
	if take {
		b.out.lose(why)
	}
	return raw
}
