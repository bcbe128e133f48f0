// Package correlation says whether two series of minutes rise and fall together: Spearman's rank correlation at the lag where it is strongest.
//
// The coefficient is that of C. Spearman, "The proof and measurement of association between two things" (1904): Pearson's of the ranks, equal values sharing
// the mean of their ranks. It depends on the order of values alone, so one outlier weighs no more than any other value and neither series
// needs a scale. The best of eleven lags is larger than the coefficient of one lag would be by chance: for independent series of 60 minutes an absolute
// value of 0.4 is not rare.
package correlation

import (
	"cmp"
	"math"
	"slices"
)

const (
	// MaxLag is how many minutes one series may follow the other.
	MaxLag = 5
	// LeastMinutes is how many minutes both series must have.
	LeastMinutes = 10
)

// Reasons why there is no score.
const (
	FewMinutes = "too_few_minutes"
	Constant   = "constant"
)

// Result of a comparison. Without a Score, Reason says why.
type Result struct {
	// Score is between -1 and 1, nil where there is none.
	Score *float64
	// Lag is in minutes. It is positive where the second series follows the first.
	Lag int
	// Minutes is how many pairs of minutes the score was computed from, or the most that any lag had.
	Minutes int
	Reason  string
}

// Of compares two series of the same minutes; NaN is a minute without a value. At lag l the first series' minute t is compared with the second's
// minute t+l. Of the lags from -MaxLag to MaxLag the one with the largest absolute value counts, of equal ones the one closest to zero, of those the
// negative one. It takes O(n log n) for each lag, and memory for four series.
func Of(first, second []float64) Result {
	best := Result{Reason: FewMinutes}
	for _, lag := range lags() {
		a, b := aligned(first, second, lag)
		if len(a) < LeastMinutes {
			if best.Score == nil {
				best.Minutes = max(best.Minutes, len(a))
			}
			continue
		}
		score := Spearman(a, b)
		if math.IsNaN(score) {
			if best.Score == nil {
				best.Minutes, best.Reason = max(best.Minutes, len(a)), Constant
			}
			continue
		}
		if best.Score == nil || math.Abs(score) > math.Abs(*best.Score)+1e-12 { // rounding decides between no lags
			best = Result{Score: &score, Lag: lag, Minutes: len(a)}
		}
	}
	return best
}

// lags are 0, -1, 1, -2, 2, ...
func lags() []int {
	all := []int{0}
	for l := 1; l <= MaxLag; l++ {
		all = append(all, -l, l)
	}
	return all
}

// aligned returns the minutes that both series have, the second shifted.
func aligned(first, second []float64, lag int) (a, b []float64) {
	for i := range first {
		j := i + lag
		if j < 0 || j >= len(second) || math.IsNaN(first[i]) || math.IsNaN(second[j]) {
			continue
		}
		a, b = append(a, first[i]), append(b, second[j])
	}
	return a, b
}

// Spearman returns the rank correlation of pairs of values, which are no NaN; NaN where one of them is constant, or there are no pairs.
func Spearman(a, b []float64) float64 { return pearson(Ranks(a), Ranks(b)) }

// Ranks returns the rank of each value from 1 on; equal values have the mean of their ranks.
func Ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(values[i], values[j]) })
	ranks := make([]float64, len(values))
	for begin := 0; begin < len(order); {
		end := begin
		for end < len(order) && values[order[end]] == values[order[begin]] {
			end++
		}
		for _, i := range order[begin:end] {
			ranks[i] = float64(begin+1+end) / 2
		}
		begin = end
	}
	return ranks
}

func pearson(a, b []float64) float64 {
	n := float64(len(a))
	var sumA, sumB float64
	for i := range a {
		sumA += a[i]
		sumB += b[i]
	}
	meanA, meanB := sumA/n, sumB/n
	var ab, aa, bb float64
	for i := range a {
		da, db := a[i]-meanA, b[i]-meanB
		ab += da * db
		aa += da * da
		bb += db * db
	}
	return max(-1, min(1, ab/math.Sqrt(aa*bb))) // NaN stays: builtin min and max keep it
}

// Statistics of values.
type Statistics struct {
	Min, Max, Mean, P95 float64
	Count               int
}

// StatisticsOf returns those of values, which are no NaN and are sorted by it; nil of none. P95 is the value at rank 0.95 x (n-1), interpolated linearly.
func StatisticsOf(values []float64) *Statistics {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	mean := 0.0
	for i, v := range values {
		mean += v/float64(i+1) - mean/float64(i+1) // a sum could overflow, and so could a difference
	}
	at := 0.95 * float64(len(values)-1)
	low := int(at)
	p95 := values[low]
	if low+1 < len(values) {
		part := at - float64(low)
		p95 = (1-part)*p95 + part*values[low+1]
	}
	return &Statistics{Min: values[0], Max: values[len(values)-1], Mean: mean, P95: p95, Count: len(values)}
}
