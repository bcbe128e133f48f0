package rows

import (
	"bytes"
	"cmp"
	"io"
	"slices"

	"github.com/penstockhq/penstock/internal/columnar"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

var (
	metricTypes   = []string{"empty", "gauge", "sum", "histogram", "exponential_histogram", "summary"}
	temporalities = []string{"unspecified", "delta", "cumulative"}
)

// Metrics encodes data points of all types.
type Metrics struct {
	encoder
	rows    []pointRow
	metrics []metric
	ranks   []uint32
	c       metricColumns
	p       pointColumns
}

type pointRow struct{ metric, point int32 }

// metric is a metric turned into columns once for all its points.
type metric struct {
	scope
	pmetric.Metric
	name, description, unit []byte
	temporality             []byte // nil where the type has none
	metadata                entries
}

type metricColumns struct {
	name, kind, description, unit *stringColumn
	temporality                   *stringColumn
	monotonic                     *columnar.Column[bool]
	metadata                      mapColumns
}

// NewMetrics returns an encoder for data points.
func NewMetrics() *Metrics {
	e := &Metrics{}
	g := e.begin("metrics", "time_unix_nano", "service_name", "metric_name", "time")
	e.c = metricColumns{
		name:        g.String("metric_name", columnar.Required|columnar.BloomFew),
		kind:        g.String("metric_type", columnar.Required),
		description: g.String("metric_description", 0),
		unit:        g.String("metric_unit", 0),
		temporality: g.String("temporality", 0),
		monotonic:   g.Bool("is_monotonic", 0),
		metadata:    newMapColumns(g, "metric_metadata"),
	}
	e.p = newPointColumns(g)
	e.end(g)
	return e
}

// Split divides md; tenant is the client's, or empty; limit is the number of dated partitions.
func (e *Metrics) Split(md pmetric.Metrics, tenant string, limit int) *Plan {
	e.Release()
	n := md.DataPointCount()
	e.rows, e.order = slices.Grow(e.rows, n), slices.Grow(e.order, n)
	for _, rm := range md.ResourceMetrics().All() {
		res := e.collector.resource(rm.Resource(), rm.SchemaUrl())
		res.tenant = e.tenantOf(tenant, rm.Resource())
		for _, sm := range rm.ScopeMetrics().All() {
			s := e.collector.scope(res, sm.Scope(), sm.SchemaUrl())
			for _, m := range sm.Metrics().All() {
				e.addMetric(s, m)
			}
		}
	}
	e.ranks = rank(e.metrics, func(a, b metric) int {
		return cmp.Or(a.resource.compareService(b.resource), bytes.Compare(a.name, b.name))
	})
	e.divide(limit, func(i int32) (int32, uint32) {
		m := e.rows[i].metric
		return e.metrics[m].resource.tenant, e.ranks[m]
	})
	return &e.Plan
}

// Release lets go of the batch.
func (e *Metrics) Release() {
	clear(e.metrics)
	e.rows, e.metrics = e.rows[:0], e.metrics[:0]
	e.planner.reset()
	e.forget()
}

func (e *Metrics) addMetric(s *scope, m pmetric.Metric) {
	at := int32(len(e.metrics))
	n := points(m)
	if n.len == 0 {
		e.NoPoints++
		return
	}
	for i := range n.len {
		e.rows = append(e.rows, pointRow{at, int32(i)})
		e.add(n.time(i))
	}
	e.exact = nil
	pm := metric{scope: *s, Metric: m}
	pm.name = e.str("metric_name", m.Name())
	pm.description = e.optional("metric_description", m.Description())
	pm.unit = e.optional("metric_unit", m.Unit())
	pm.metadata = e.collect("metric_metadata", m.Metadata(), nil).clone()
	if n.hasTemporality {
		pm.temporality = bytesOf(enum(temporalities, int32(n.temporality)))
	}
	if len(e.exact) > 0 {
		pm.scope.exact = append(append([]byte(nil), s.exact...), e.exact...)
	}
	e.metrics = append(e.metrics, pm)
}

// pointList is what planning needs to know of a metric's points, whatever their type.
type pointList struct {
	len            int
	time           func(i int) uint64
	hasTemporality bool
	temporality    pmetric.AggregationTemporality
}

func points(m pmetric.Metric) pointList {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		dps := m.Gauge().DataPoints()
		return pointList{len: dps.Len(), time: func(i int) uint64 { return uint64(dps.At(i).Timestamp()) }}
	case pmetric.MetricTypeSum:
		dps := m.Sum().DataPoints()
		return pointList{dps.Len(), func(i int) uint64 { return uint64(dps.At(i).Timestamp()) }, true, m.Sum().AggregationTemporality()}
	case pmetric.MetricTypeHistogram:
		dps := m.Histogram().DataPoints()
		return pointList{dps.Len(), func(i int) uint64 { return uint64(dps.At(i).Timestamp()) }, true, m.Histogram().AggregationTemporality()}
	case pmetric.MetricTypeExponentialHistogram:
		dps := m.ExponentialHistogram().DataPoints()
		return pointList{dps.Len(), func(i int) uint64 { return uint64(dps.At(i).Timestamp()) }, true, m.ExponentialHistogram().AggregationTemporality()}
	case pmetric.MetricTypeSummary:
		dps := m.Summary().DataPoints()
		return pointList{len: dps.Len(), time: func(i int) uint64 { return uint64(dps.At(i).Timestamp()) }}
	}
	return pointList{}
}

// Write encodes a partition of the plan as a Parquet file.
func (e *Metrics) Write(w io.Writer, p Partition) error {
	return e.write(w, p, nil, func(i int32) *scope {
		r := e.rows[i]
		m := &e.metrics[r.metric]
		e.putMetric(m)
		e.putPoint(m.Metric, int(r.point))
		return &m.scope
	})
}

func (e *Metrics) putMetric(m *metric) {
	e.c.name.PutShared(m.name)
	e.c.kind.PutShared(bytesOf(enum(metricTypes, int32(m.Type()))))
	putShared(e.c.description, m.description)
	putShared(e.c.unit, m.unit)
	putShared(e.c.temporality, m.temporality)
	if m.Type() == pmetric.MetricTypeSum {
		e.c.monotonic.Put(m.Sum().IsMonotonic())
	} else {
		e.c.monotonic.Null()
	}
	e.c.metadata.putShared(&m.metadata)
}
