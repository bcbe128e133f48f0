//go:generate mdatagen metadata.yaml

// Package cardinalityguardprocessor keeps metrics within budgets of series, and folds what is past them into overflow
// streams that keep sums right.
package cardinalityguardprocessor
