// Package sidebyside compares Penstock's agent with a stock collector that has a queue on disk, and with VictoriaLogs' agent: OTLP log records
// in, OTLP (VictoriaLogs' own protocol from its agent) out to one server, at fixed rates and as fast as it goes, and under kill -9. docs/benchmarks.md quotes it.
//
//	make build && make -C testbed/backends otelcol vlagent && cd testbed && go test -run '^$' -bench . -benchtime 5x ./bench/sidebyside
package sidebyside
