//go:generate mdatagen metadata.yaml

// Package windowrollupprocessor aggregates metrics in windows of event time: counts, sums, rates, quantiles and histograms that are
// computed once, survive a restart, and are equal when the same input is read again.
package windowrollupprocessor
