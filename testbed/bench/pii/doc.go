// Package pii compares the pii_scrubber processor with contrib's redaction processor, side by side in one process, on the same
// log records, with patterns for the same kinds of data.
//
//	go test -run '^$' -bench . -benchtime 7x ./bench/pii
//
// Every iteration is one interleaved pair of runs; the result is the median of the pairs: MB of text for each second of CPU on both sides, and how
// many times faster pii_scrubber is. BenchmarkLinear reports ns per byte at 1 MiB over ns per byte at 1 KiB.
package pii
