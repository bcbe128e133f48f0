// Package ledger measures what the ledger costs: the CPU of a collector for each record on its way through the journal into the lake, with it and
// without it.
//
//	make build && cd testbed && go test -run '^$' -bench . -benchtime 5x ./bench/ledger
package ledger
