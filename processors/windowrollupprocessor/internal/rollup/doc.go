// Package rollup turns metric data points into windows of event time. [State] is the whole state of one partition: streams, open panes,
// windows, outbox. It is pure: it takes pdata and times and returns pdata and counts; its caller sends, saves and reads clocks.
//
// The path of a point:
//
//	match    rules that match the metric                            match.go
//	run      of a cumulative stream: its increase since the last     runs.go
//	group    the rule's by or without: which stream of the output    group.go, table.go
//	pane     of the rule's base width, by the point's time           table.go
//	close    panes merge into windows, windows go to the outbox      close.go
//	render   the outbox becomes metrics                              render.go
//	save     the state as bytes, and back                            snapshot.go
package rollup
