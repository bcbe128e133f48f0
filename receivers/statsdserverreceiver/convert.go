package statsdserverreceiver

import (
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/aggregate"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/expo"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/line"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/metadata"
)

// sender identifies a resource.
type sender struct{ service, container string }

// family identifies a metric.
type family struct {
	sender sender
	name   string
	kind   line.Kind
}

// converter adds points to metrics and resources.
type converter struct {
	cfg        *Config
	begun, now pcommon.Timestamp
	metrics    pmetric.Metrics
	resources  map[sender]pmetric.MetricSlice
	families   map[family]pmetric.Metric
}

// convert makes metrics of points. rests is, point by point, the remainder of rounding for the stream's next interval.
func (s *server) convert(points []aggregate.Point, begun, now time.Time) (_ pmetric.Metrics, rests []float64) {
	c := converter{
		cfg: s.cfg, begun: pcommon.NewTimestampFromTime(begun), now: pcommon.NewTimestampFromTime(now), metrics: pmetric.NewMetrics(),
		resources: map[sender]pmetric.MetricSlice{}, families: map[family]pmetric.Metric{},
	}
	rests = make([]float64, len(points))
	for i, p := range points {
		rests[i] = c.point(p)
	}
	return c.metrics, rests
}

func (c *converter) point(p aggregate.Point) (rest float64) {
	m := c.metric(p)
	switch p.Stream.Kind {
	case line.Counter:
		d := m.Sum().DataPoints().AppendEmpty()
		begun, now := c.times(p)
		d.SetStartTimestamp(begun)
		d.SetTimestamp(now)
		d.SetDoubleValue(p.Number)
		tags(p.Stream, d.Attributes())
	case line.Gauge, line.Set:
		d := m.Gauge().DataPoints().AppendEmpty()
		_, now := c.times(p)
		d.SetTimestamp(now)
		if p.Stream.Kind == line.Set {
			d.SetIntValue(int64(len(p.Members)))
		} else {
			d.SetDoubleValue(p.Number)
		}
		tags(p.Stream, d.Attributes())
	default:
		counts, left := p.Histogram.Counts(p.Carry)
		rest = left
		if c.cfg.Timers == summary {
			c.summary(p, counts, m.Summary().DataPoints().AppendEmpty())
		} else {
			c.histogram(p, counts, m.ExponentialHistogram().DataPoints().AppendEmpty())
		}
	}
	return rest
}

// times are the point's times: the interval's, or the second that ends with the line's timestamp.
func (c *converter) times(p aggregate.Point) (begun, now pcommon.Timestamp) {
	switch {
	case p.Stream.Time != 0:
	case !p.Since.IsZero():
		return pcommon.NewTimestampFromTime(p.Since), c.now
	default:
		return c.begun, c.now
	}
	t := time.Unix(p.Stream.Time, 0)
	return pcommon.NewTimestampFromTime(t.Add(-time.Second)), pcommon.NewTimestampFromTime(t)
}

func (c *converter) histogram(p aggregate.Point, counts expo.Counts, d pmetric.ExponentialHistogramDataPoint) {
	begun, now := c.times(p)
	d.SetStartTimestamp(begun)
	d.SetTimestamp(now)
	d.SetCount(counts.Count)
	d.SetSum(counts.Sum)
	d.SetMin(counts.Minimum)
	d.SetMax(counts.Maximum)
	d.SetScale(int32(counts.Scale))
	d.SetZeroCount(counts.Zero)
	for from, to := range map[*expo.Buckets]pmetric.ExponentialHistogramDataPointBuckets{&counts.Positive: d.Positive(), &counts.Negative: d.Negative()} {
		to.SetOffset(int32(from.Offset))
		to.BucketCounts().FromRaw(from.Counts)
	}
	tags(p.Stream, d.Attributes())
}

func (c *converter) summary(p aggregate.Point, counts expo.Counts, d pmetric.SummaryDataPoint) {
	begun, now := c.times(p)
	d.SetStartTimestamp(begun)
	d.SetTimestamp(now)
	d.SetCount(counts.Count)
	d.SetSum(counts.Sum)
	for _, percent := range c.cfg.Percentiles {
		q := d.QuantileValues().AppendEmpty()
		q.SetQuantile(percent / 100)
		q.SetValue(p.Histogram.Quantile(percent / 100))
	}
	tags(p.Stream, d.Attributes())
}

// metric returns the point's metric. Sums are deltas: the counts since the last interval.
func (c *converter) metric(p aggregate.Point) pmetric.Metric {
	f := family{sender{service(p.Stream.Tags, c.cfg.ServiceName), p.Stream.Container}, p.Stream.Name, p.Stream.Kind}
	if m, ok := c.families[f]; ok {
		return m
	}
	m := c.resource(f.sender).AppendEmpty()
	m.SetName(valid(f.name))
	switch f.kind {
	case line.Counter:
		m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		m.Sum().SetIsMonotonic(p.Monotonic)
	case line.Gauge, line.Set:
		m.SetEmptyGauge()
	default:
		if f.kind == line.Timer {
			m.SetUnit("ms")
		}
		if c.cfg.Timers == summary {
			m.SetEmptySummary()
		} else {
			m.SetEmptyExponentialHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		}
	}
	c.families[f] = m
	return m
}

func (c *converter) resource(s sender) pmetric.MetricSlice {
	if metrics, ok := c.resources[s]; ok {
		return metrics
	}
	r := c.metrics.ResourceMetrics().AppendEmpty()
	r.Resource().Attributes().PutStr("service.name", valid(s.service))
	if s.container != "" {
		r.Resource().Attributes().PutStr("container.id", valid(s.container))
	}
	scope := r.ScopeMetrics().AppendEmpty()
	scope.Scope().SetName(metadata.ScopeName)
	c.resources[s] = scope.Metrics()
	return scope.Metrics()
}

// service is the value of the tag service (or service.name), which stays a tag.
func service(tags []string, otherwise string) string {
	for _, name := range [...]string{"service:", "service.name:"} {
		for _, tag := range tags {
			if value, ok := strings.CutPrefix(tag, name); ok && value != "" {
				return value
			}
		}
	}
	return otherwise
}

// tags makes attributes of tags: one without a value gets an empty one, and values of one name are joined with a comma.
func tags(s *aggregate.Stream, to pcommon.Map) {
	to.EnsureCapacity(len(s.Tags))
	for _, tag := range s.Tags {
		name, value, _ := strings.Cut(tag, ":")
		if name == "" {
			name, value = tag, ""
		}
		name, value = valid(name), valid(value)
		if before, ok := to.Get(name); ok {
			before.SetStr(before.Str() + "," + value)
			continue
		}
		to.PutStr(name, value)
	}
}

// valid is text as valid UTF-8, which OTLP requires.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
