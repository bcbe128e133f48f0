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
// A ratio ("1.8x") without a comment is an error, because nothing would keep it true. A ratio that no benchmark of testbed
// measures says where it comes from:
//
//	1.6x<!-- measured by Produce in extensions/embeddedkafkaextension/internal/broker -->
package figures
