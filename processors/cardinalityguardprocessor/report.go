package cardinalityguardprocessor

import (
	"cmp"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/fold"
)

// maxReportTenants bounds the tenants of a report: those with the most series.
const maxReportTenants = 100

// partitionReport is the report of a partition, as JSON and on the page.
type partitionReport struct {
	Partition string `json:"partition"`
	// Instance distinguishes the partition from that of another process with a separate journal; empty if gateways share a Kafka.
	Instance        string `json:"instance,omitempty"`
	Series          int64  `json:"series"`
	Limit           int64  `json:"limit"`
	OverflowStreams int64  `json:"overflow_streams"`
	Contributors    int64  `json:"contributors"`
	// FoldedDelay bounds, in seconds, how long after its time a folded point is sent, as long as points keep arriving.
	FoldedDelay float64 `json:"folded_delay_seconds"`
	// LatePoints arrived for a closed pane, since this process has the partition: a later pane has their increases.
	LatePoints int64          `json:"late_points"`
	Tenants    []tenantReport `json:"tenants"`
}

type tenantReport struct {
	Tenant     string            `json:"tenant"`
	Series     int64             `json:"series"`
	Limit      int64             `json:"limit"`
	Metrics    []metricReport    `json:"metrics"`
	Attributes []attributeReport `json:"attributes"`
}

type metricReport struct {
	Service string `json:"service"`
	Metric  string `json:"metric"`
	Series  int64  `json:"series"`
	Limit   int64  `json:"limit"`
	// Folded are the attributes that are folded away, the one with the most values first.
	Folded []string `json:"folded,omitempty"`
}

type attributeReport struct {
	Service   string `json:"service"`
	Metric    string `json:"metric"`
	Attribute string `json:"attribute"`
	Values    uint64 `json:"values"`
	Limit     uint64 `json:"limit"`
}

// summaryOf is the summary of one tenant: no number in it counts data of others. ok is false if it has no data.
func (p *partition) summaryOf(tenant string, top int) (out partitionReport, ok bool) {
	out = p.summarize(top, func(name string) bool { return name == tenant })
	if len(out.Tenants) == 0 {
		return partitionReport{}, false
	}
	t := out.Tenants[0]
	return partitionReport{
		Partition: out.Partition, Instance: out.Instance, Series: t.Series, Limit: t.Limit, FoldedDelay: out.FoldedDelay, Tenants: out.Tenants,
	}, true
}

// summary lists the top metrics by series and the top attributes by distinct values, per tenant.
func (p *partition) summary(top int) partitionReport {
	return p.summarize(top, func(string) bool { return true })
}

func (p *partition) summarize(top int, wanted func(tenant string) bool) partitionReport {
	out := partitionReport{
		Partition: p.session.Label(), Instance: p.g.own, Series: p.activeSeries(), Limit: p.rules.Load().Limits.Series,
		OverflowStreams: p.overflowStreams(), Contributors: p.contributors(), Tenants: []tenantReport{},
		FoldedDelay: p.foldedDelay().Seconds(), LatePoints: p.late.Load(),
	}
	tenants := map[string]*tenantReport{}
	p.tree.Each(func(n *admission.Node) {
		if !wanted(n.Tenant) {
			return
		}
		limits := n.Limits()
		t := tenants[n.Tenant]
		if t == nil {
			t = &tenantReport{Tenant: n.Tenant, Series: n.TenantUsed(), Limit: limits.Tenant}
			tenants[n.Tenant] = t
		}
		m := metricReport{Service: n.Service, Metric: n.Metric, Series: n.Series.Used(), Limit: limits.Metric}
		if v := n.Growth.Verdict(); v != nil {
			m.Folded = v.Names
		}
		t.Metrics = insertTop(t.Metrics, m, top, func(a, b metricReport) int {
			return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Metric, b.Metric))
		})
		for _, a := range n.Growth.Distinct() {
			t.Attributes = insertTop(t.Attributes, attributeReport{n.Service, n.Metric, a.Name, a.Values, limits.Values}, top, func(a, b attributeReport) int {
				return cmp.Or(cmp.Compare(b.Values, a.Values), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Attribute, b.Attribute))
			})
		}
	})
	for _, t := range tenants {
		out.Tenants = insertTop(out.Tenants, *t, maxReportTenants, func(a, b tenantReport) int {
			return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Tenant, b.Tenant))
		})
	}
	return out
}

// insertTop inserts v into a sorted list of at most limit elements.
func insertTop[T any](list []T, v T, limit int, order func(a, b T) int) []T {
	at, _ := slices.BinarySearchFunc(list, v, order)
	if at >= limit {
		return list
	}
	list = slices.Insert(list, at, v)
	return list[:min(len(list), limit)]
}

// report adds the report to the outbox when the mark has passed the end of another interval.
func (p *partition) report(mark int64) {
	every := p.g.cfg.Report.Interval
	if every <= 0 {
		return
	}
	end := window.Align(mark, every)
	if end <= p.reported {
		return
	}
	first := p.reported == 0
	p.reported = end
	if first {
		return // The first interval is incomplete.
	}
	p.outbox = append(p.outbox, fold.Batch{Time: end - 1, Metrics: p.summary(p.g.cfg.Report.Top).metrics(time.Unix(0, end-1))})
	slices.SortStableFunc(p.outbox, func(a, b fold.Batch) int { return cmp.Compare(a.Time, b.Time) })
}

// metrics returns the report as ordinary metrics.
func (r partitionReport) metrics(at time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "penstock")
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("github.com/penstockhq/penstock/processors/cardinalityguardprocessor")
	gauge := func(name, unit, description string) pmetric.NumberDataPointSlice {
		m := sm.Metrics().AppendEmpty()
		m.SetName(name)
		m.SetUnit(unit)
		m.SetDescription(description)
		return m.SetEmptyGauge().DataPoints()
	}
	series := gauge("penstock.cardinality.series", "{series}", "Active series of a tenant.")
	metrics := gauge("penstock.cardinality.metric.series", "{series}", "Active series of the metrics with the most series.")
	usage := gauge("penstock.cardinality.metric.usage", "1", "Share of its budget that a metric uses.")
	values := gauge("penstock.cardinality.attribute.values", "{value}", "Distinct values of the attributes with the most values (estimated).")
	overflow := gauge("penstock.cardinality.overflow.streams", "{stream}", "Overflow streams.")
	put := func(dps pmetric.NumberDataPointSlice, attrs ...string) pmetric.NumberDataPoint {
		dp := dps.AppendEmpty()
		dp.SetTimestamp(pcommon.NewTimestampFromTime(at))
		for i := 0; i < len(attrs); i += 2 {
			dp.Attributes().PutStr(attrs[i], attrs[i+1])
		}
		sign(dp.Attributes(), r.Partition, r.Instance)
		return dp
	}
	put(overflow).SetIntValue(r.OverflowStreams)
	for _, t := range r.Tenants {
		put(series, "tenant", t.Tenant).SetIntValue(t.Series)
		for _, m := range t.Metrics {
			put(metrics, "tenant", t.Tenant, "service", m.Service, "metric", m.Metric).SetIntValue(m.Series)
			if m.Limit > 0 {
				put(usage, "tenant", t.Tenant, "service", m.Service, "metric", m.Metric).SetDoubleValue(float64(m.Series) / float64(m.Limit))
			}
		}
		for _, a := range t.Attributes {
			put(values, "tenant", t.Tenant, "service", a.Service, "metric", a.Metric, "attribute", a.Attribute).SetIntValue(int64(a.Values))
		}
	}
	sm.Metrics().RemoveIf(func(m pmetric.Metric) bool { return m.Gauge().DataPoints().Len() == 0 })
	return md
}
