// Package sidebyside compares Penstock's agent with a stock collector that has a queue on disk: OTLP log records in, OTLP out to
// one server, at fixed rates and as fast as it goes. docs/benchmarks.md quotes it.
//
//	make build && make -C testbed/backends otelcol && cd testbed && go test -run '^$' -bench . -benchtime 5x ./bench/sidebyside
package sidebyside
