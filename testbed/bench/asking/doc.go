// Package asking measures how much a hundred clients that query the log store at once slow ingest: log records a second that are acknowledged, and that
// become searchable, in interleaved pairs of windows with and without them.
//
//	make build && cd testbed && go test -run '^$' -bench . -benchtime 5x ./bench/asking
package asking
