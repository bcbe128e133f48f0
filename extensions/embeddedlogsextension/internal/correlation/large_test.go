package correlation_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/correlation"
)

// The largest values have statistics that are numbers: JSON has no others.
func TestStatisticsOfTheLargestValues(t *testing.T) {
	s := correlation.StatisticsOf([]float64{-math.MaxFloat64, math.MaxFloat64})
	assert.InDelta(t, 0, s.Mean, 1)
	assert.InDelta(t, 1, s.P95/(0.9*math.MaxFloat64), 1e-12)
}
