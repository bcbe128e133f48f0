// Package fold merges the points of limited series into overflow streams, so that sums over all streams stay right.
//
//	delta point        its value                        is added to its pane
//	cumulative point   its increase since the last one  is added to its pane, and with it to the running total
//	up-down counter    its change since the last one    likewise: the total is the sum of the latest values
//	gauge              last, min, max or mean of a pane; or the sum of the latest values, as above
//
// Panes are [k·w, (k+1)·w) in event time. A pane that closes becomes one point per stream, with a time one nanosecond before the pane's
// end. An increase that arrives for a closed pane is added to the oldest open one: totals stay right, and the times of such a stream never
// go back. A gauge's value says nothing about a later time: if it arrives for a closed pane, it becomes an additional point, with the
// newest time in it.
//
// To compute increases, a bounded table holds every contributing stream's last value. Forgetting an entry moves a horizon: an unknown
// stream that began before it may have been counted before, so it counts only from its next point on, and the outcome says so.
package fold
