// Package window handles event time: panes and windows aligned to the epoch, the
// windows that consist of panes, and a watermark over several sources. It holds
// no metric and reads no clock.
//
// All times are Unix nanoseconds as int64, all intervals are half open, [start, end).
//
//	pane  |----|----|----|----|----|----|      width w, start = k*w
//	hop 2w     |---------|         |           windows of size 4w, one every 2w:
//	           [   first window    ]           each pane belongs to two of them,
//	                     [   second window   ] a point is added to one pane only
//
// A pane closes when the watermark less the allowed lateness has reached its end.
// Points that arrive for a closed pane after that are late.
//
// Nothing here is safe for concurrent use.
package window
