// Package remotewrite compares the prometheus_tsdb exporter with contrib's prometheusremotewrite exporter, side by side in
// one process, against a receiver that reads and confirms.
//
//	go test -run '^$' -bench . -benchtime 7x ./bench/remotewrite
//
// Every iteration is one interleaved pair of runs; the result is the median of the pairs' ratios. CPU is the
// process's (user and system), the receiver's share included on both sides.
package remotewrite
