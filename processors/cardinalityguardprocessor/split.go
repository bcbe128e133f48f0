package cardinalityguardprocessor

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/origin"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
)

// limited holds the points of a batch that are not admitted, with their tree of resources, scopes and metrics.
type limited struct {
	metrics    pmetric.Metrics
	fromClient bool     // the tenant came from client metadata
	origins    []source // of the metrics in order
}

// source describes one metric of a batch.
type source struct {
	node          *admission.Node // nil past limits::metrics
	lists         *lists
	tenant        string
	began         int64 // when the tenant's state began
	resource      pcommon.Resource
	scopeKey      streamkey.Key
	metricKey     streamkey.Key
	temporality   pmetric.AggregationTemporality
	levels        []admission.Level // keys of its limited points in order
	admissionEdge int64
	deduplicated  bool // the journal has already dropped repetitions of the request
}

// splitter walks one batch.
type splitter struct {
	p *partition
	r *rules
	t *tally

	out            *limited
	records        []origin.Record // of each resource; nil without a journal
	deduplicated   bool            // the record of rm was deduplicated
	rm             pmetric.ResourceMetrics
	sm             pmetric.ScopeMetrics
	m              pmetric.Metric
	rmOut          pmetric.ResourceMetrics
	smOut          pmetric.ScopeMetrics
	haveRM, haveSM bool
	origin         source
	limits         admission.Limits
	verdict        *admission.Verdict
	cumulative     bool
}

// split removes the points that are not admitted from md and returns them, nil if there are none. Admitted points cost no allocation.
func (p *partition) split(ctx context.Context, md pmetric.Metrics, t *tally) *limited {
	s := splitter{p: p, r: p.rules.Load(), t: t, records: origin.Of(ctx, md)}
	fromClient, _ := tenant.Client(ctx) // An invalid name counts as the default tenant's here: the journal refuses it.
	rms := md.ResourceMetrics()
	for i := range rms.Len() {
		s.deduplicated = i < len(s.records) && s.records[i].Deduplicated
		s.resource(rms.At(i), fromClient)
	}
	if s.out == nil {
		return nil
	}
	s.out.fromClient = fromClient != ""
	rms.RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		rm.ScopeMetrics().RemoveIf(func(sm pmetric.ScopeMetrics) bool {
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool { return datapoint.Count(m) == 0 })
			return sm.Metrics().Len() == 0
		})
		return rm.ScopeMetrics().Len() == 0
	})
	return s.out
}

func (s *splitter) resource(rm pmetric.ResourceMetrics, fromClient string) {
	s.rm, s.haveRM = rm, false
	attrs := rm.Resource().Attributes()
	name, _ := tenant.Of(fromClient, attrs)
	began := s.p.session.BeganFor(name, s.p.g.named).UnixNano()
	service := text(attrs, "service.name")
	resourceKey := streamkey.Resource(rm.Resource()).In(tenantKey(name))
	voted := false
	for i := range rm.ScopeMetrics().Len() {
		s.sm, s.haveSM = rm.ScopeMetrics().At(i), false
		scopeKey := streamkey.Scope(s.sm.Scope())
		for j := range s.sm.Metrics().Len() {
			s.m = s.sm.Metrics().At(j)
			s.origin = source{
				deduplicated: s.deduplicated,
				node:         s.p.tree.Node(name, service, s.m.Name()), tenant: name, began: began, resource: rm.Resource(),
				scopeKey: scopeKey, metricKey: streamkey.Metric(resourceKey, scopeKey, s.m),
			}
			if s.origin.node != nil {
				if now := s.p.clock.Now(); s.origin.node.Seen.Load() != now {
					s.origin.node.Seen.Store(now)
				}
				s.limits = s.origin.node.Limits()
				s.origin.lists, _ = s.limits.Extra.(*lists)
				s.verdict = s.origin.node.Growth.Verdict()
			}
			if !voted {
				voted = s.p.vote(s.m)
			}
			s.metric()
		}
	}
}

// text returns a string attribute, "" if there is none.
func text(m pcommon.Map, name string) string {
	v, ok := m.Get(name)
	if !ok || v.Type() != pcommon.ValueTypeStr {
		return ""
	}
	return v.Str()
}

// slice and point are what the five kinds of data points have in common.
type slice[P any] interface {
	Len() int
	At(int) P
	AppendEmpty() P
	RemoveIf(func(P) bool)
}

type point[P any] interface {
	Attributes() pcommon.Map
	StartTimestamp() pcommon.Timestamp
	Timestamp() pcommon.Timestamp
	MoveTo(P)
}

func (s *splitter) metric() {
	s.cumulative = false
	switch s.m.Type() {
	case pmetric.MetricTypeGauge:
		sift(s, s.m.Gauge().DataPoints(), func(_ *splitter, m pmetric.Metric) pmetric.NumberDataPointSlice {
			return m.SetEmptyGauge().DataPoints()
		})
	case pmetric.MetricTypeSum:
		s.origin.temporality = s.m.Sum().AggregationTemporality()
		s.cumulative = s.m.Sum().IsMonotonic() && s.origin.temporality == pmetric.AggregationTemporalityCumulative
		sift(s, s.m.Sum().DataPoints(), func(s *splitter, m pmetric.Metric) pmetric.NumberDataPointSlice {
			m.SetEmptySum().SetAggregationTemporality(s.origin.temporality)
			m.Sum().SetIsMonotonic(s.m.Sum().IsMonotonic())
			return m.Sum().DataPoints()
		})
	case pmetric.MetricTypeHistogram:
		s.origin.temporality = s.m.Histogram().AggregationTemporality()
		s.cumulative = s.origin.temporality == pmetric.AggregationTemporalityCumulative
		sift(s, s.m.Histogram().DataPoints(), func(s *splitter, m pmetric.Metric) pmetric.HistogramDataPointSlice {
			m.SetEmptyHistogram().SetAggregationTemporality(s.origin.temporality)
			return m.Histogram().DataPoints()
		})
	case pmetric.MetricTypeExponentialHistogram:
		s.origin.temporality = s.m.ExponentialHistogram().AggregationTemporality()
		s.cumulative = s.origin.temporality == pmetric.AggregationTemporalityCumulative
		sift(s, s.m.ExponentialHistogram().DataPoints(), func(s *splitter, m pmetric.Metric) pmetric.ExponentialHistogramDataPointSlice {
			m.SetEmptyExponentialHistogram().SetAggregationTemporality(s.origin.temporality)
			return m.ExponentialHistogram().DataPoints()
		})
	case pmetric.MetricTypeSummary:
		s.cumulative = true
		sift(s, s.m.Summary().DataPoints(), func(_ *splitter, m pmetric.Metric) pmetric.SummaryDataPointSlice {
			return m.SetEmptySummary().DataPoints()
		})
	}
}

// keysAhead is how many points' keys are computed before the first of them is looked up: a lookup waits for memory, and several in a row
// wait together.
const keysAhead = 32

// sift decides about the points of one metric. open turns its argument into a metric of the same type.
func sift[S slice[P], P point[P]](s *splitter, dps S, open func(*splitter, pmetric.Metric) S) {
	var keys [keysAhead]streamkey.Key
	for i, n := 0, dps.Len(); i < n; i++ {
		if i%keysAhead == 0 {
			for j := i; j < min(i+keysAhead, n); j++ {
				keys[j-i] = streamkey.Stream(s.origin.metricKey, dps.At(j).Attributes())
			}
		}
		dp := dps.At(i)
		level := s.decide(keys[i%keysAhead], dp.Attributes(), int64(dp.StartTimestamp()))
		if level == admission.None {
			s.t.passed++
			continue
		}
		if s.r.OnLimit != onLimitObserve {
			extract(s, dps, i, level, open)
			return
		}
		s.t.limited[level]++
		s.t.observed++
	}
}

// extract removes limited points from dps, of which the one at first, on that level, is known to be the first. It is a separate function
// because its closure allocates, and sift must not.
func extract[S slice[P], P point[P]](s *splitter, dps S, first int, level admission.Level, open func(*splitter, pmetric.Metric) S) {
	var to S
	opened := false
	i := -1
	dps.RemoveIf(func(dp P) bool {
		if i++; i < first {
			return false
		}
		if i > first {
			key := streamkey.Stream(s.origin.metricKey, dp.Attributes())
			level = s.decide(key, dp.Attributes(), int64(dp.StartTimestamp()))
		}
		if level == admission.None {
			s.t.passed++
			return false
		}
		s.t.limited[level]++
		if s.r.OnLimit == onLimitDrop || level == admission.Names {
			s.t.dropped++
			s.t.refused[level]++
			return true
		}
		if !opened {
			to, opened = open(s, s.place()), true
		}
		dp.MoveTo(to.AppendEmpty())
		o := &s.out.origins[len(s.out.origins)-1]
		o.levels = append(o.levels, level)
		return true
	})
}

// place returns an empty metric in s.out, in a copy of the current resource and scope.
func (s *splitter) place() pmetric.Metric {
	if s.out == nil {
		s.out = &limited{metrics: pmetric.NewMetrics()}
	}
	if !s.haveRM {
		s.rmOut, s.haveRM, s.haveSM = s.out.metrics.ResourceMetrics().AppendEmpty(), true, false
		s.rm.Resource().CopyTo(s.rmOut.Resource())
		s.rmOut.SetSchemaUrl(s.rm.SchemaUrl())
	}
	if !s.haveSM {
		s.smOut, s.haveSM = s.rmOut.ScopeMetrics().AppendEmpty(), true
		s.sm.Scope().CopyTo(s.smOut.Scope())
		s.smOut.SetSchemaUrl(s.sm.SchemaUrl())
	}
	m := s.smOut.Metrics().AppendEmpty()
	m.SetName(s.m.Name())
	m.SetDescription(s.m.Description())
	m.SetUnit(s.m.Unit())
	s.m.Metadata().CopyTo(m.Metadata())
	o := s.origin
	o.resource = s.rmOut.Resource()
	o.admissionEdge = s.p.admissionEdge.Load()
	s.out.origins = append(s.out.origins, o)
	return m
}

// decide admits a point's series, or returns why not.
func (s *splitter) decide(key streamkey.Key, attrs pcommon.Map, start int64) admission.Level {
	n := s.origin.node
	if n == nil {
		return admission.Names
	}
	if s.origin.lists.restrictive() {
		for name := range attrs.All() {
			if s.origin.lists.denies(name) {
				return admission.Denied
			}
		}
	}
	switch s.p.table.See(key.Lo) {
	case admission.Known:
		return admission.None
	case admission.Refreshed:
		if n.Growth.Noting() {
			s.note(attrs)
		}
		return admission.None
	}
	return s.admit(key, attrs, start)
}

// admit decides about a series that is not active.
func (s *splitter) admit(key streamkey.Key, attrs pcommon.Map, start int64) admission.Level {
	n := s.origin.node
	ambiguous := false
	if s.p.fold.Streams() > 0 {
		sh := s.p.fold.Lock(n.ID)
		folded, last := sh.Folded(key)
		ambiguous = s.cumulative && start <= sh.Horizon()
		sh.Unlock()
		if folded != nil {
			n.Growth.Limit(key.Hi)
			if last < s.p.windowStart.Load() {
				s.note(attrs) // Once per window is enough.
			}
			return admission.Growing
		}
	}
	if s.verdict != nil && s.accused(attrs) {
		n.Growth.Limit(key.Hi)
		s.note(attrs)
		return admission.Growing
	}
	if s.verdict != nil || s.limits.Values > 0 || n.Series.Used() >= notingFrom(s.limits.Metric) {
		if name, over := s.note(attrs); over {
			n.Growth.Limit(key.Hi)
			s.verdict = s.p.accuse(n, name)
			return admission.Attribute
		}
	}
	if level := s.p.tree.Take(n); level != admission.None {
		s.verdict = s.p.judge(n, s.origin.lists)
		n.Growth.Limit(key.Hi)
		s.note(attrs)
		return level
	}
	if !s.p.table.Add(key.Lo, n.ID) {
		s.p.tree.Give(n.ID) // Another batch added the series at the same time.
	} else if ambiguous {
		s.t.ambiguous++
	}
	return admission.None
}

// notingFrom is the number of series from which a metric's attributes are counted.
func notingFrom(limit int64) int64 {
	if limit > 0 {
		return min(limit/10, maxUnwatched)
	}
	return maxUnwatched
}

const maxUnwatched = 1000

// accused reports whether the verdict names one of the attributes.
func (s *splitter) accused(attrs pcommon.Map) bool {
	for _, name := range s.verdict.Names {
		if _, ok := attrs.Get(name); ok {
			return true
		}
		if len(name) > len(resourcePrefix) && name[:len(resourcePrefix)] == resourcePrefix {
			if _, ok := s.rm.Resource().Attributes().Get(name[len(resourcePrefix):]); ok {
				return true
			}
		}
	}
	return false
}

// note counts the values of all attributes. over is one that has reached its limit of distinct values.
func (s *splitter) note(attrs pcommon.Map) (name string, over bool) {
	g := &s.origin.node.Growth
	count := func(n string, v pcommon.Value) {
		values := g.Note(n, streamkey.Value(v).Hi)
		if s.limits.Values > 0 && !s.origin.lists.protects(n) {
			s.p.tree.Values(s.origin.node, n, values)
			if values > s.limits.Values {
				name, over = n, true
			}
		}
	}
	for n, v := range s.rm.Resource().Attributes().All() {
		count(resourcePrefix+n, v)
	}
	for n, v := range attrs.All() {
		count(n, v)
	}
	return name, over
}
