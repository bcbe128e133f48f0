// Package figures compares the figures that documents quote with the newest report of the benchmarks.
//
// A document marks a figure with a comment that Markdown does not show:
//
//	1.8x<!-- figure rollup/Against/counters/streams=10000 x-faster -->
//
// The comment names a benchmark and a unit of report.json. The figure must lie between the lowest and the highest run of
// that benchmark, half of its last digit included. `make figures` runs the benchmarks and writes report.json and
// report.md; `make check-figures` compares.
//
// Figures without a comment are not compared: README.md says which, and why.
package figures
