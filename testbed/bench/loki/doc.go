// Package loki compares what it costs to send logs to Loki: our exporter against otlphttp to Loki's own OTLP
// endpoint, in one run, both in the built binary in front of the same real Loki.
//
//	make backends build
//	cd testbed && go test -tags full -run '^$' -bench . -benchtime 1x ./bench/loki
package loki
