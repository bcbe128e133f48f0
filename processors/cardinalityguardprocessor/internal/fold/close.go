package fold

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/window"
)

// Advance closes the panes that end at or before mark, and the oldest beyond Limits.Panes, and returns their points, in time order. closed is the earliest time that a later
// call can still write.
func (f *Fold) Advance(mark int64) (out []Batch, closed int64) { return f.advance(mark, false) }

// Finish closes all panes. Their points get the newest time in the pane, not its end, because another fold may continue in the same panes
// after a restart, and its points must be later.
func (f *Fold) Finish() []Batch {
	out, _ := f.advance(math.MaxInt64, true)
	return out
}

func (f *Fold) advance(mark int64, last bool) (out []Batch, closed int64) {
	var list []due
	closed = mark
	for i := range f.shards {
		sh := &f.shards[i]
		sh.mu.Lock()
		mark := mark
		if n, most := sh.panes.Len(), f.limits.Panes; most > 0 && n > most {
			mark = max(mark, sh.panes.Start(n-most))
		}
		for len(sh.retiring) > 0 {
			list = sh.take(sh.retiring[0], mark, last, window.Never, list)
			if sh.retiring[0].Len() > 0 {
				break
			}
			sh.retiring = sh.retiring[1:]
		}
		if len(sh.retiring) == 0 {
			list = sh.take(sh.panes, mark, last, sh.closed, list)
			sh.closed = max(sh.closed, window.Align(mark, sh.panes.Width()))
			closed = min(closed, sh.closed)
		} else if start, ok := sh.retiring[0].Oldest(); ok {
			closed = min(closed, start)
		}
		sh.mu.Unlock()
	}
	return batches(list), closed
}

// take removes closed panes and updates the totals. For running totals it writes the points at once, because the totals continue to
// change. Panes that end at or before closed were closed before: their points are late.
func (sh *Shard) take(panes *window.Panes[map[*Stream]*pane], mark int64, last bool, closed int64, list []due) []due {
	for start, members := range panes.Take(mark) {
		end := start + int64(panes.Width())
		if last {
			end = min(end, newestIn(start, members)+1)
		}
		for s, p := range members {
			s.open--
			d := due{stream: s, pane: p, start: start, end: end}
			if end <= closed {
				d.end = p.time + 1
				sh.late--
			}
			if s.Aggregation == Running {
				if !s.sent && s.Monotonic {
					// The total starts with an extra point: so a store that ignores start times sees the first increase.
					list = append(list, due{stream: s, pane: &pane{exemplars: pmetric.NewExemplarSlice()}, start: s.start, end: s.start + 1, total: p.value.zeroed()})
				}
				s.total.Add(p.value)
				s.sent = true
				d.total = s.total.clone()
			}
			list = append(list, d)
		}
	}
	return list
}

// newestIn returns the newest time in a pane that begins at start, after the first points of totals that start in it.
func newestIn(start int64, members map[*Stream]*pane) (newest int64) {
	newest = start
	for s, p := range members {
		newest = max(newest, p.time)
		if !s.sent {
			newest = max(newest, s.start+1)
		}
	}
	return newest
}
