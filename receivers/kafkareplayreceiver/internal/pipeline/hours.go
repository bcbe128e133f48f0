package pipeline

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/ledger"
)

// Hours counts the items of a payload by the hour of their time: data points by their time, log records by theirs or else the observed
// one, spans by their start. Items without a time count in 1970, as in the lake. payload is a result of [Entry].Decode
// or Read.
func Hours(payload any) []ledger.HourItems {
	h := hours{}
	switch p := payload.(type) {
	case *laterLogs:
		h = p.hours
	case pmetric.Metrics:
		for _, rm := range p.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					h.metric(m)
				}
			}
		}
	case plog.Logs:
		for _, rl := range p.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, l := range sl.LogRecords().All() {
					t := l.Timestamp()
					if t == 0 {
						t = l.ObservedTimestamp()
					}
					h.add(t)
				}
			}
		}
	case ptrace.Traces:
		for _, rs := range p.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					h.add(s.StartTimestamp())
				}
			}
		}
	}
	if h.all == nil {
		return []ledger.HourItems{}
	}
	return h.all
}

// hours counts times by hour, in the order in which they come.
type hours struct {
	all        []ledger.HourItems
	places     ledger.Places[ledger.Hour] // in all
	last       int
	start, end pcommon.Timestamp // of the last hour
}

func (h *hours) add(t pcommon.Timestamp) {
	if t >= h.start && t < h.end {
		h.all[h.last].Items++
		return
	}
	const hour = pcommon.Timestamp(time.Hour)
	h.start = t / hour * hour
	h.end = h.start + hour
	at := ledger.Hour(t / hour)
	added := false
	if h.last, added = h.places.Of(at); added {
		h.all = append(h.all, ledger.HourItems{Hour: at})
	}
	h.all[h.last].Items++
}

func (h *hours) metric(m pmetric.Metric) {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		eachTime(m.Gauge().DataPoints(), h)
	case pmetric.MetricTypeSum:
		eachTime(m.Sum().DataPoints(), h)
	case pmetric.MetricTypeHistogram:
		eachTime(m.Histogram().DataPoints(), h)
	case pmetric.MetricTypeExponentialHistogram:
		eachTime(m.ExponentialHistogram().DataPoints(), h)
	case pmetric.MetricTypeSummary:
		eachTime(m.Summary().DataPoints(), h)
	}
}

func eachTime[P interface{ Timestamp() pcommon.Timestamp }](points interface {
	Len() int
	At(int) P
}, h *hours) {
	for i := range points.Len() {
		h.add(points.At(i).Timestamp())
	}
}
