// Package measure has the computations that several benchmark packages share.
package measure

import "slices"

// Median returns the middle of values, the upper one of two, and leaves them in their order. There must be one.
func Median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
