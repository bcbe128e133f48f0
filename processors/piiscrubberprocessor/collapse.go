package piiscrubberprocessor

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/streamkey"
)

// collapse counts the points of one metric that a constant put into the same stream as others.
type collapse struct {
	changed []int // by position, the points whose attributes now have a constant
	points  int
	key     string
	merged  int64
}

// add adds the next point.
func (c *collapse) add(changed bool, key string) {
	if changed {
		c.changed = append(c.changed, c.points)
		c.key = key
	}
	c.points++
}

// point is the common part of all kinds of data points.
type point interface {
	Attributes() pcommon.Map
	Timestamp() pcommon.Timestamp
	StartTimestamp() pcommon.Timestamp
}

type stamp struct {
	stream      streamkey.Key
	start, time pcommon.Timestamp
}

// merge counts the changed points whose attributes and times equal those of another point of the metric: two streams became one. It costs
// nothing if no constant was written.
func merge[P point, S interface {
	Len() int
	At(int) P
}](c *collapse, points S) {
	if len(c.changed) == 0 || points.Len() < 2 {
		return
	}
	seen := make(map[stamp]int, points.Len())
	of := func(i int) stamp {
		p := points.At(i)
		return stamp{streamkey.Attributes(p.Attributes()), p.StartTimestamp(), p.Timestamp()}
	}
	for i := range points.Len() {
		seen[of(i)]++
	}
	for _, i := range c.changed {
		if seen[of(i)] > 1 {
			c.merged++
		}
	}
}

// collapsed counts, and logs one warning.
func (s *scrubber) collapsed(ctx context.Context, name string, c *collapse) {
	if c.merged == 0 {
		return
	}
	s.telemetry.ProcessorPiiScrubberCollapsedPoints.Add(ctx, c.merged)
	s.merged.Do(func() {
		s.log.Warn("redaction merged several streams of a metric, and its sums are wrong: use hash or tokenize there; counted in collapsed_points, logged once",
			zap.String("metric", name), zap.String("attribute", c.key))
	})
}
