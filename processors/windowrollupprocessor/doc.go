//go:generate mdatagen metadata.yaml

// Package windowrollupprocessor sums metrics up in windows of event time: counts, sums, rates, quantiles and histograms
// that are computed once, survive a restart, and are the same when the same input is read again.
package windowrollupprocessor
