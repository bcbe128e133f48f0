package datapoint

import "go.opentelemetry.io/collector/pdata/pmetric"

// Summary is the mergeable part of a summary: its count and its sum. Quantiles of several summaries can't be combined, so they are omitted.
type Summary struct {
	Count uint64
	Sum   float64
}

// FromSummary reads count and sum of dp.
func FromSummary(dp pmetric.SummaryDataPoint) Summary {
	return Summary{Count: dp.Count(), Sum: dp.Sum()}
}

// Add merges o into s.
func (s *Summary) Add(o Summary) {
	s.Count += o.Count
	s.Sum += o.Sum
}

// Sub returns the increase since prev, and whether the count is below what it was.
func (s Summary) Sub(prev Summary) (inc Summary, fell bool) {
	return Summary{Count: s.Count - prev.Count, Sum: s.Sum - prev.Sum}, s.Count < prev.Count
}

// CopyTo sets count and sum of dp and removes its quantiles.
func (s Summary) CopyTo(dp pmetric.SummaryDataPoint) {
	dp.SetCount(s.Count)
	dp.SetSum(s.Sum)
	dp.QuantileValues().RemoveIf(func(pmetric.SummaryDataPointValueAtQuantile) bool { return true })
}
