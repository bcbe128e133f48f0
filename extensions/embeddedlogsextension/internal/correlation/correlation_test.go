package correlation_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/correlation"
)

func TestSpearmansKnownValues(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []float64
		want float64
	}{
		{"1-6*194/(10*99), no ties: by hand", []float64{106, 100, 86, 101, 99, 103, 97, 113, 112, 110}, []float64{7, 27, 2, 50, 28, 29, 20, 12, 6, 17}, -29.0 / 165},
		{"two of the same: scipy.stats.spearmanr", []float64{1, 2, 3, 4, 5}, []float64{5, 6, 7, 8, 7}, 0.8207826816681233},
		{"the same order", []float64{1, 2, 300}, []float64{-5, 0, 0.1}, 1},
		{"the other order", []float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, -1},
		{"one pair of ties of two: ranks 1.5 1.5 3 4 and 1 2 3 4: 4.5/sqrt(4.5*5)", []float64{7, 7, 8, 9}, []float64{1, 2, 3, 4}, 4.5 / math.Sqrt(4.5*5)},
	} {
		assert.InDelta(t, c.want, correlation.Spearman(c.a, c.b), 1e-12, c.name)
	}
	assert.True(t, math.IsNaN(correlation.Spearman([]float64{1, 1, 1}, []float64{1, 2, 3})))
	assert.True(t, math.IsNaN(correlation.Spearman(nil, nil)))
	assert.Equal(t, []float64{4, 1.5, 3, 1.5}, correlation.Ranks([]float64{9, 0, 5, 0}))
}

// What grows with any series by any rule that keeps the order has the coefficient 1; the score is never beyond 1.
func TestOnlyTheOrderCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a := make([]float64, 3+r.IntN(40))
		b := make([]float64, len(a))
		for i := range a {
			a[i] = float64(r.IntN(6)) // ties are frequent
			b[i] = math.Exp(a[i]) - 3
		}
		if s := correlation.Spearman(a, b); !math.IsNaN(s) {
			assert.InDelta(t, 1, s, 1e-12)
			assert.LessOrEqual(t, s, 1.0)
		}
	}
}

// wave has a value of its own for each minute but no trend.
func wave(n, shift int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = math.Sin(float64(i-shift) * 1.7)
	}
	return values
}

func TestTheBestLagIsFound(t *testing.T) {
	for lag := -correlation.MaxLag; lag <= correlation.MaxLag; lag++ {
		got := correlation.Of(wave(60, 0), wave(60, lag))
		require.NotNil(t, got.Score, lag)
		assert.InDelta(t, 1, *got.Score, 1e-9)
		assert.Equal(t, lag, got.Lag, "positive: the second follows the first")
		assert.Equal(t, 60-max(lag, -lag), got.Minutes)
	}
	down := wave(60, 0)
	for i := range down {
		down[i] = -down[i]
	}
	got := correlation.Of(wave(60, 0), down)
	assert.InDelta(t, -1, *got.Score, 1e-9)
	assert.Zero(t, got.Lag)
}

func TestThereIsNoScoreWithoutAReason(t *testing.T) {
	flat := make([]float64, 30)
	got := correlation.Of(wave(30, 0), flat)
	assert.Equal(t, correlation.Result{Minutes: 30, Reason: correlation.Constant}, got)
	got = correlation.Of(wave(9, 0), wave(9, 0))
	assert.Equal(t, correlation.Result{Minutes: 9, Reason: correlation.FewMinutes}, got)
	gaps := wave(30, 0)
	for i := range gaps {
		if i%4 != 0 {
			gaps[i] = math.NaN()
		}
	}
	got = correlation.Of(wave(30, 0), gaps)
	assert.Equal(t, correlation.FewMinutes, got.Reason, "minutes that one of them lacks don't count")
	assert.Nil(t, got.Score)
	got = correlation.Of(nil, nil)
	assert.Equal(t, correlation.Result{Reason: correlation.FewMinutes}, got)
}

func TestStatistics(t *testing.T) {
	assert.Nil(t, correlation.StatisticsOf(nil))
	// numpy.percentile([3, 1, 2, 10, 7], 95) == 9.4: rank 3.8, 7 + 0.8*(10-7)
	got := correlation.StatisticsOf([]float64{3, 1, 2, 10, 7})
	assert.InDelta(t, 9.4, got.P95, 1e-12)
	assert.InDelta(t, 4.6, got.Mean, 1e-12)
	got.P95, got.Mean = 0, 0
	assert.Equal(t, &correlation.Statistics{Min: 1, Max: 10, Count: 5}, got)
	huge := correlation.StatisticsOf(slices.Repeat([]float64{math.MaxFloat64}, 3))
	assert.InDelta(t, math.MaxFloat64, huge.Mean, math.MaxFloat64*1e-12)
}

func Example() {
	errors := []float64{0, 0, 1, 0, 5, 9, 4, 0, 1, 0, 0, 7, 2, 0}
	latency := []float64{20, 21, 20, 30, 22, 80, 120, 70, 23, 31, 24, 21, 90, 50} // the same a minute later
	r := correlation.Of(errors, latency)
	fmt.Printf("%.2f at lag %d over %d minutes\n", *r.Score, r.Lag, r.Minutes)
	// Output: 0.95 at lag 1 over 13 minutes
}
