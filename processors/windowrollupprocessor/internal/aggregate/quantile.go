package aggregate

import (
	"math"
	"time"

	"github.com/penstockhq/penstock/internal/datapoint"
)

// quantile is the value below which a share q of the measurements is, within the error of the sketch. Buckets with explicit bounds are
// treated as evenly filled; there the bounds determine the error.
func quantile(name string, q float64) Aggregate {
	return Aggregate{
		name: name,
		needs: func(k Kind) (need, bool) {
			return needDistribution | needMin | needMax, k == Gauge || hasBuckets(k)
		},
		out: func(k Kind) Output {
			return Output{Unit: sameUnit, Value: func(c Cell, _ time.Duration) float64 {
				if c.Count() == 0 {
					return math.NaN()
				}
				var v float64
				if k == Histogram {
					v = interpolate(c.Histogram, c.Moments(), q)
				} else {
					v = c.Sketch.Quantile(q)
				}
				if least := c.float(c.min); v < least {
					v = least
				}
				if greatest := c.float(c.max); v > greatest {
					v = greatest
				}
				return v
			}}
		},
	}
}

// interpolate finds the bucket of the rank, and the position in it. The open buckets at both ends are bounded by the least and greatest
// measurement if they are known, else they are a point: their finite bound.
func interpolate(h *datapoint.Histogram, m datapoint.Moments, q float64) float64 {
	rank := q * float64(h.Count)
	var below float64
	for i, n := range h.Counts {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		var lower, upper float64
		switch {
		case len(h.Bounds) == 0:
			if !m.HasMin || !m.HasMax {
				return math.NaN()
			}
			lower, upper = m.Min, m.Max
		case i == 0:
			upper = h.Bounds[0]
			if lower = upper; m.HasMin {
				lower = min(m.Min, upper)
			} else if upper > 0 {
				lower = 0 // as Prometheus does
			}
		case i == len(h.Bounds):
			lower = h.Bounds[i-1]
			if upper = lower; m.HasMax {
				upper = max(m.Max, lower)
			}
		default:
			lower, upper = h.Bounds[i-1], h.Bounds[i]
		}
		if math.IsInf(lower, 0) || math.IsInf(upper, 0) {
			return math.NaN()
		}
		return lower + (upper-lower)*max(rank-below, 0)/float64(n)
	}
	return math.NaN()
}
