package fold

import (
	"cmp"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// Batch has one tenant's points of one pane, all with the same time.
type Batch struct {
	Time       int64 // of all points
	Tenant     string
	FromClient bool
	Metrics    pmetric.Metrics
}

// due is one stream's part of a closed pane.
type due struct {
	stream     *Stream
	pane       *pane
	start, end int64
	total      Value // the total when the pane closed; Running only
}

// batches writes closed panes in time order, and within a time in an order that depends only on the streams.
func batches(list []due) []Batch {
	slices.SortFunc(list, func(a, b due) int {
		x, y := a.stream, b.stream
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(x.Tenant, y.Tenant), compareKeys(x.Resource, y.Resource),
			compareKeys(x.Scope, y.Scope), compareKeys(x.Metric, y.Metric), compareKeys(x.Key, y.Key))
	})
	var out []Batch
	var prev due
	var rm pmetric.ResourceMetrics
	var sm pmetric.ScopeMetrics
	var m pmetric.Metric
	for i, d := range list {
		s := d.stream
		from := s.Template.ResourceMetrics().At(0)
		newBatch := i == 0 || prev.end != d.end || prev.stream.Tenant != s.Tenant || prev.stream.FromClient != s.FromClient
		if newBatch {
			out = append(out, Batch{Time: d.end - 1, Tenant: s.Tenant, FromClient: s.FromClient, Metrics: pmetric.NewMetrics()})
		}
		newResource := newBatch || prev.stream.Resource != s.Resource
		if newResource {
			rm = out[len(out)-1].Metrics.ResourceMetrics().AppendEmpty()
			from.Resource().CopyTo(rm.Resource())
			rm.SetSchemaUrl(from.SchemaUrl())
		}
		newScope := newResource || prev.stream.Scope != s.Scope
		if newScope {
			sm = rm.ScopeMetrics().AppendEmpty()
			from.ScopeMetrics().At(0).Scope().CopyTo(sm.Scope())
			sm.SetSchemaUrl(from.ScopeMetrics().At(0).SchemaUrl())
		}
		template := from.ScopeMetrics().At(0).Metrics().At(0)
		if newScope || prev.stream.Metric != s.Metric {
			m = sm.Metrics().AppendEmpty()
			template.CopyTo(m)
		} else {
			appendPoint(template, m)
		}
		d.write(m)
		prev = d
	}
	return out
}

func compareKeys(a, b streamkey.Key) int {
	return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo))
}

// appendPoint adds the only point of template to m, which has the same type.
func appendPoint(template, m pmetric.Metric) {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		template.Gauge().DataPoints().At(0).CopyTo(m.Gauge().DataPoints().AppendEmpty())
	case pmetric.MetricTypeSum:
		template.Sum().DataPoints().At(0).CopyTo(m.Sum().DataPoints().AppendEmpty())
	case pmetric.MetricTypeHistogram:
		template.Histogram().DataPoints().At(0).CopyTo(m.Histogram().DataPoints().AppendEmpty())
	case pmetric.MetricTypeExponentialHistogram:
		template.ExponentialHistogram().DataPoints().At(0).CopyTo(m.ExponentialHistogram().DataPoints().AppendEmpty())
	case pmetric.MetricTypeSummary:
		template.Summary().DataPoints().At(0).CopyTo(m.Summary().DataPoints().AppendEmpty())
	}
}

// stamp sets times, value and exemplars of the last point of m.
func stamp(m pmetric.Metric, start, at int64, v Value, exemplars pmetric.ExemplarSlice) {
	from, to := pcommon.Timestamp(start), pcommon.Timestamp(at)
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		dp := m.Gauge().DataPoints().At(m.Gauge().DataPoints().Len() - 1)
		dp.SetTimestamp(to)
		v.Num.CopyTo(dp)
		exemplars.CopyTo(dp.Exemplars())
	case pmetric.MetricTypeSum:
		dp := m.Sum().DataPoints().At(m.Sum().DataPoints().Len() - 1)
		dp.SetStartTimestamp(from)
		dp.SetTimestamp(to)
		v.Num.CopyTo(dp)
		exemplars.CopyTo(dp.Exemplars())
	case pmetric.MetricTypeHistogram:
		dp := m.Histogram().DataPoints().At(m.Histogram().DataPoints().Len() - 1)
		dp.SetStartTimestamp(from)
		dp.SetTimestamp(to)
		v.ext.hist.CopyTo(dp)
		exemplars.CopyTo(dp.Exemplars())
	case pmetric.MetricTypeExponentialHistogram:
		dp := m.ExponentialHistogram().DataPoints().At(m.ExponentialHistogram().DataPoints().Len() - 1)
		dp.SetStartTimestamp(from)
		dp.SetTimestamp(to)
		v.ext.exp.CopyTo(dp)
		exemplars.CopyTo(dp.Exemplars())
	case pmetric.MetricTypeSummary:
		dp := m.Summary().DataPoints().At(m.Summary().DataPoints().Len() - 1)
		dp.SetStartTimestamp(from)
		dp.SetTimestamp(to)
		v.ext.sum.CopyTo(dp)
	}
}
