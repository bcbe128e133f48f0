//go:generate mdatagen metadata.yaml

// Package cardinalityguardprocessor keeps metrics within budgets of series, and folds the series that exceed them into overflow streams,
// so that sums stay right.
package cardinalityguardprocessor
