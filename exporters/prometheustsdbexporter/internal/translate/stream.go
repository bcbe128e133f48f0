package translate

import (
	"github.com/prometheus/prometheus/storage"
	"github.com/zeebo/xxh3"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/streamkey"
)

const targetInfo = "target_info"

// cursor walks over the data points in the order in which the converter appends their samples, and so knows which stream a
// sample comes from: the converter doesn't say. It counts on how many samples a point becomes, and notices when that is wrong.
type cursor struct {
	resources pmetric.ResourceMetricsSlice
	r         int
	resource  streamkey.Key
	scopes    pmetric.ScopeMetricsSlice
	s         int
	scope     streamkey.Key
	metrics   pmetric.MetricSlice
	m         int
	metric    uint64
	current   pmetric.Metric
	points    int // of current
	p         int
	buckets   bool // explicit histograms are one sample

	stream uint64
	left   int // samples of stream
	lost   bool
}

// reset goes to the beginning of md.
func (c *cursor) reset(md pmetric.Metrics, customBuckets bool) {
	*c = cursor{resources: md.ResourceMetrics(), buckets: customBuckets}
	c.openResource()
}

// next is the stream of the next sample, never 0 but for target_info, which belongs to the resource.
func (c *cursor) next(opts storage.AppendV2Options) uint64 {
	for c.left == 0 {
		if c.p < c.points {
			c.openPoint()
			continue
		}
		if c.openMetric() {
			continue
		}
		if opts.MetricFamilyName == targetInfo {
			return 0
		}
		c.r++
		if !c.openResource() {
			c.lost = true
			return 0
		}
	}
	c.left--
	return c.stream
}

// exact reports whether every sample was met where it was expected.
func (c *cursor) exact() bool {
	if c.lost || c.left > 0 || c.p < c.points {
		return false
	}
	for {
		if c.openMetric() {
			return false
		}
		c.r++
		if !c.openResource() {
			return true
		}
	}
}

func (c *cursor) openResource() bool {
	if c.r >= c.resources.Len() {
		return false
	}
	rm := c.resources.At(c.r)
	c.resource = streamkey.Resource(rm.Resource())
	c.scopes, c.s = rm.ScopeMetrics(), -1
	c.metrics, c.m = pmetric.NewMetricSlice(), 0
	c.points, c.p = 0, 0
	return true
}

// openMetric goes to the next metric of the resource that has points.
func (c *cursor) openMetric() bool {
	for {
		for c.m < c.metrics.Len() {
			c.current = c.metrics.At(c.m)
			c.m++
			if c.points, c.p = count(c.current), 0; c.points > 0 {
				k := streamkey.Metric(c.resource, c.scope, c.current)
				c.metric = k.Hi ^ k.Lo
				return true
			}
		}
		c.s++
		if c.s >= c.scopes.Len() {
			c.points, c.p = 0, 0
			return false
		}
		sm := c.scopes.At(c.s)
		c.scope = streamkey.Scope(sm.Scope())
		c.metrics, c.m = sm.Metrics(), 0
	}
}

// openPoint goes to the next point of the metric. Values of attributes need not be told apart: where they differ, the
// series differ. Names must be, because two can become one.
func (c *cursor) openPoint() {
	var attributes pcommon.Map
	c.left = 1
	switch c.current.Type() {
	case pmetric.MetricTypeGauge:
		attributes = c.current.Gauge().DataPoints().At(c.p).Attributes()
	case pmetric.MetricTypeSum:
		attributes = c.current.Sum().DataPoints().At(c.p).Attributes()
	case pmetric.MetricTypeHistogram:
		p := c.current.Histogram().DataPoints().At(c.p)
		attributes = p.Attributes()
		if !c.buckets {
			c.left = 2 + min(p.ExplicitBounds().Len(), p.BucketCounts().Len()) // count, +Inf and the others
			if p.HasSum() {
				c.left++
			}
		}
	case pmetric.MetricTypeExponentialHistogram:
		attributes = c.current.ExponentialHistogram().DataPoints().At(c.p).Attributes()
	case pmetric.MetricTypeSummary:
		p := c.current.Summary().DataPoints().At(c.p)
		attributes = p.Attributes()
		c.left = 2 + p.QuantileValues().Len() // sum, count
	}
	c.p++
	names := uint64(0)
	for name := range attributes.All() {
		names += xxh3.HashString(name)
	}
	c.stream = c.metric ^ names | 1
}
