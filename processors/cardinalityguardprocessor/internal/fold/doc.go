// Package fold merges the points of series that may not have a stream of their own into overflow streams, so that sums
// over all streams stay right.
//
//	delta point        its value                        is added to its pane
//	cumulative point   its increase since the last one  is added to its pane, and with it to the running total
//	up-down counter    its change since the last one    likewise: the total is the sum of the latest values
//	gauge              last, min, max or mean of a pane; or the sum of the latest values, as above
//
// Panes are [k·w, (k+1)·w) in event time. A pane that closes becomes one point a stream, stamped one nanosecond before the
// pane's end. What adds up and arrives for a closed pane goes into the oldest open one: totals stay right, and no such stream's
// time stamps go back. A gauge's value says nothing about a later time: what arrives for a closed pane becomes a point of its own,
// with the newest time in it.
//
// For increases every contributing stream's last value is remembered, in a bounded table. What is forgotten there leaves a
// horizon behind: an unknown stream that began before it may have been counted before, so it counts from
// its next point on only, and the outcome says so.
package fold
