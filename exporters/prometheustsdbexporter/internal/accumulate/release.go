package accumulate

import (
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/delivery"
)

const (
	// minWait is the least time that an increase waits for the next sample of its series, before an extra sample is made for it. With many
	// streams, whose checkpoint is large, it waits longer: waitStream for each.
	minWait    = time.Second
	waitStream = 100 * time.Microsecond
	// maxWaiting is how many increases may wait.
	maxWaiting = 4096
	// maxHeldExemplars is how many exemplars wait with the increases of a series: the newest ones.
	maxHeldExemplars = 8
)

// Release has samples for increases that no other sample contains: cumulative metrics of one tenant.
type Release struct {
	Tenant  string // from client metadata
	Metrics pmetric.Metrics
}

// held is the template of a sample to be sent: a metric with one point, which has attributes, exemplars and no value. It is never changed,
// because Undo may restore it.
type held struct {
	tenant   string
	template pmetric.Metrics
}

// hold makes the increase of a point, and its exemplars, wait for the next sample of its series.
func hold[V any](a *application, f *family[V], sr *series[V], attributes pcommon.Map, exemplars pmetric.ExemplarSlice) {
	if sr.waiting != nil {
		if exemplars.Len() > 0 {
			more := &held{tenant: sr.waiting.tenant, template: pmetric.NewMetrics()}
			sr.waiting.template.CopyTo(more.template)
			a.outcome.Exemplars += more.keep(exemplars)
			sr.waiting = more
		}
		return
	}
	h := &held{tenant: a.batch.Tenant, template: pmetric.NewMetrics()}
	rm := h.template.ResourceMetrics().AppendEmpty()
	a.rm.Resource().CopyTo(rm.Resource())
	rm.SetSchemaUrl(a.rm.SchemaUrl())
	sm := rm.ScopeMetrics().AppendEmpty()
	a.sm.Scope().CopyTo(sm.Scope())
	sm.SetSchemaUrl(a.sm.SchemaUrl())
	m := sm.Metrics().AppendEmpty()
	m.SetName(a.m.Name())
	m.SetUnit(a.m.Unit())
	m.SetDescription(a.m.Description())
	a.m.Metadata().CopyTo(m.Metadata())
	switch a.m.Type() {
	case pmetric.MetricTypeSum:
		m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		m.Sum().SetIsMonotonic(a.m.Sum().IsMonotonic())
		attributes.CopyTo(m.Sum().DataPoints().AppendEmpty().Attributes())
	case pmetric.MetricTypeHistogram:
		m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		attributes.CopyTo(m.Histogram().DataPoints().AppendEmpty().Attributes())
	default:
		m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		attributes.CopyTo(m.ExponentialHistogram().DataPoints().AppendEmpty().Attributes())
	}
	a.outcome.Exemplars += h.keep(exemplars)
	sr.waiting = h
	f.waiting = append(f.waiting, sr)
}

// keep adds exemplars, and returns how many of all of them exceed the limit.
func (h *held) keep(exemplars pmetric.ExemplarSlice) (lost int) {
	to := h.exemplars()
	lost = max(to.Len()+exemplars.Len()-maxHeldExemplars, 0)
	datapoint.AddExemplars(to, exemplars, maxHeldExemplars)
	return lost
}

// exemplars returns the exemplars of the only point.
func (h *held) exemplars() pmetric.ExemplarSlice {
	switch m := h.template.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0); m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().At(0).Exemplars()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().At(0).Exemplars()
	default:
		return m.ExponentialHistogram().DataPoints().At(0).Exemplars()
	}
}

// Advance makes samples for the increases that have waited long enough, a millisecond after the last one of their series. At the end of
// the input, where no other sample will come, and if too many wait, it does not wait.
func (s *State) Advance(now time.Time, atEnd bool, low time.Time) (due bool, out time.Time) {
	waiting := len(s.numbers.waiting) + len(s.histograms.waiting) + len(s.exponentials.waiting)
	switch {
	case waiting == 0:
		s.waitingAt = time.Time{}
	case waiting >= maxWaiting || now.Equal(delivery.Unbounded()):
		s.release()
	case s.waitingAt.IsZero():
		s.waitingAt = now
	case atEnd && now.Sub(s.waitingAt) >= max(minWait, time.Duration(s.Streams())*waitStream):
		s.release()
	}
	for _, r := range s.outbox {
		if t := oldest(r.Metrics); t.Before(low) {
			low = t
		}
	}
	return len(s.outbox) > 0, low
}

func (s *State) release() {
	s.waitingAt = time.Time{}
	release(s, &s.numbers, func(m pmetric.Metric) pmetric.NumberDataPoint { return m.Sum().DataPoints().At(0) })
	release(s, &s.histograms, func(m pmetric.Metric) pmetric.HistogramDataPoint { return m.Histogram().DataPoints().At(0) })
	release(s, &s.exponentials, func(m pmetric.Metric) pmetric.ExponentialHistogramDataPoint {
		return m.ExponentialHistogram().DataPoints().At(0)
	})
}

func release[P point, V valueOf[P]](s *State, f *family[V], pointOf func(pmetric.Metric) P) {
	for _, sr := range f.waiting {
		h := sr.waiting
		if h == nil {
			continue // a sample of its series has included it
		}
		sr.waiting, sr.last = nil, (sr.last/tick+1)*tick
		p := pointOf(h.template.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0))
		set(p, sr.start, sr.last, sr.value)
		if n := len(s.outbox); n == 0 || s.outbox[n-1].Tenant != h.tenant {
			s.outbox = append(s.outbox, Release{Tenant: h.tenant, Metrics: pmetric.NewMetrics()})
		}
		h.template.ResourceMetrics().MoveAndAppendTo(s.outbox[len(s.outbox)-1].Metrics.ResourceMetrics())
	}
	f.waiting = nil
}

// oldest is the least time of a point in md.
func oldest(md pmetric.Metrics) time.Time {
	least := pcommon.Timestamp(math.MaxInt64)
	for _, rm := range md.ResourceMetrics().All() {
		switch m := rm.ScopeMetrics().At(0).Metrics().At(0); m.Type() {
		case pmetric.MetricTypeSum:
			least = min(least, m.Sum().DataPoints().At(0).Timestamp())
		case pmetric.MetricTypeHistogram:
			least = min(least, m.Histogram().DataPoints().At(0).Timestamp())
		case pmetric.MetricTypeExponentialHistogram:
			least = min(least, m.ExponentialHistogram().DataPoints().At(0).Timestamp())
		}
	}
	return least.AsTime()
}

// Outbox is the next release to send; ok is false if there is none.
func (s *State) Outbox() (r Release, ok bool) {
	if len(s.outbox) == 0 {
		return r, false
	}
	return s.outbox[0], true
}

// Sent notes that the release returned by Outbox was accepted.
func (s *State) Sent() {
	if s.outbox = s.outbox[1:]; len(s.outbox) == 0 {
		s.outbox = nil
	}
}
