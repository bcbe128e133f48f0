// Package rollup compares window_rollup with VictoriaMetrics' stream aggregation and contrib's interval processor: the
// same streams, the same outputs, in one process, turn by turn.
//
//	go test -run '^$' -bench . -benchtime 5x ./bench/rollup
package rollup
