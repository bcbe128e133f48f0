// Package rollup turns metric data points into windows of event time. [State] is the
// whole of it for one partition: streams, open panes, windows, outbox. It is pure: it takes
// pdata and times and gives pdata and counts back, and leaves sending, saving and clocks to
// its caller.
//
// The way of a point:
//
//	match    rules that want the metric                              match.go
//	run      of a cumulative stream: its increase since the last     runs.go
//	group    the rule's by or without: which stream of the output    group.go, table.go
//	pane     of the rule's base width, by the point's time           table.go
//	close    panes merge into windows, windows go to the outbox      close.go
//	render   the outbox becomes metrics                              render.go
//	save     all of it as bytes, and back                            snapshot.go
package rollup
