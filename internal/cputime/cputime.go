// Package cputime measures benchmarks in CPU time, which other work on the machine lengthens far less than it lengthens the
// time on the clock.
package cputime

import "testing"

// Each measures a benchmark from here to the call of done, and reports its CPU time as cpu-ns/op. All goroutines of the
// process count, also the garbage collector's. Use it in front of b.Loop:
//
//	defer cputime.Each(b)()
func Each(b *testing.B) (done func()) {
	before := Spent()
	return func() {
		b.Helper()
		b.ReportMetric(float64(Spent()-before)/float64(b.N), "cpu-ns/op")
	}
}
