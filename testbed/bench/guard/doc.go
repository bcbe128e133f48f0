// Package guard measures what cardinality_guard costs: its stream key against the hash that contrib's components use, the
// CPU of the whole binary with and without it, and an explosion of 50 000 new series a second.
//
//	go test -run '^$' -bench . -benchtime 7x ./bench/guard
//
// An iteration is one interleaved pair of runs; the results are medians over the pairs.
package guard
