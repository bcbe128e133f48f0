// Package figures compares the figures that documents quote with the newest report of the benchmarks.
//
// A document marks a figure with a comment that Markdown does not show:
//
//	1.8x<!-- figure rollup/Against/counters/streams=10000 x-faster -->
//
// The comment names a benchmark and a unit of report.json. The figure must lie between the lowest and the highest run of
// that benchmark, half of its last digit included; it may be in a larger unit, µs where the report has ns/op. `make figures`
// runs the benchmarks, writes report.json and report.md, and writes the medians into the documents; `make check-figures` compares.
//
// A paragraph, a list or a row of a table with figures that no benchmark reports has a comment of another kind, which says where they come from:
//
//	0.95x of the build before <!-- by hand: five runs of bench/lake with each build -->
//
// Documents with many such figures are in the table of README.md instead. A measured figure (1.8x, 1.8 times, 24 µs, 35 ns, 147 MB/s)
// without any of these fails the check.
package figures
