package rollup

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// markStep is the least distance, in event time, by which the mark moves when nothing closes.
const markStep = int64(time.Minute)

// closing is a closed window of one shard in the outbox. Its cells are immutable.
type closing struct {
	rule   int // position of the engine, for the order
	e      *engine
	kind   aggregate.Kind
	shard  int
	window int
	start  int64
	frame  frame
	totals *frame // running totals up to its end; nil unless they are wanted
}

func (c closing) spec() window.Spec { return c.e.rule.Windows[c.window] }

func (c closing) end() int64 { return c.start + int64(c.spec().Size) }

// Advance closes what is due, as delivery.Stateful requires. The clock counts only atEnd, and only as the time since the last new point:
// then everything closes that would have closed if the input had continued. So an old log is aggregated as if it were live. now = the last
// nanosecond of int64 closes everything that is open.
func (s *State) Advance(now time.Time, atEnd bool, low time.Time) (due bool, out time.Time) {
	newest := s.water.Newest()
	if newest != s.lastNewest || s.activeAt.IsZero() {
		s.lastNewest, s.activeAt = newest, now
	}
	mark := s.water.Mark()
	switch {
	case newest == window.Never:
	case now.UnixNano() == math.MaxInt64:
		mark = low.UnixNano()
	default:
		if atEnd {
			silence := now.Sub(s.activeAt)
			mark = max(mark, add(newest, int64(silence))-int64(s.spec.IdleTimeout))
		}
		mark = min(mark-int64(s.spec.AllowedLateness), low.UnixNano())
	}
	if mark > s.mark {
		due = s.closeUpTo(mark)
	}
	return due || len(s.outbox) > 0, s.promise(low)
}

// closeUpTo closes everything that ends at or before mark, and reports whether that changed anything.
func (s *State) closeUpTo(mark int64) (changed bool) {
	if !s.anyDue(mark) {
		if s.mark != window.Never && mark < add(s.mark, markStep) {
			return false
		}
		if !s.dirty.Load() {
			s.forget()
			s.mark = mark
			return true
		}
	}
	s.dirty.Store(false)
	s.forget()
	s.sent = 0 // a batch may run in between
	for i, e := range s.engines {
		for k, t := range e.tables {
			if len(t.plan.Outputs) == 0 {
				continue
			}
			for j := range t.shards {
				c := closer{s: s, e: e, t: t, sh: &t.shards[j], mark: mark}
				c.emit = func(w int, start int64, f frame, totals *frame) {
					s.outbox = append(s.outbox, closing{i, e, aggregate.Kind(k), j, w, start, f, totals})
				}
				c.run()
			}
		}
	}
	slices.SortStableFunc(s.outbox, func(a, b closing) int {
		return cmp.Or(cmp.Compare(a.end(), b.end()), cmp.Compare(a.rule, b.rule), cmp.Compare(a.window, b.window),
			cmp.Compare(a.kind, b.kind), cmp.Compare(a.shard, b.shard))
	})
	s.mark = mark
	return true
}

// anyDue reports whether a pane or a window would be sent. Corrections alone don't count, because every late point would cost a
// checkpoint: they are sent with the next closing, or when the mark has moved by markStep.
func (s *State) anyDue(mark int64) bool {
	for _, e := range s.engines {
		for _, t := range e.tables {
			for i := range t.shards {
				if t.shards[i].due(e, mark) {
					return true
				}
			}
		}
	}
	return false
}

func (sh *shard) due(e *engine, mark int64) bool {
	if sh.panes.Due(mark) {
		return true
	}
	for i, c := range sh.windows {
		if oldest, ok := c.open.Oldest(); ok && c.firstEnd(e.rule.Windows[i], oldest) <= mark {
			return true
		}
	}
	return false
}

// firstEnd returns the end of the first window that contains the oldest collected pane and is not closed.
func (c *collector) firstEnd(w window.Spec, oldest int64) int64 {
	return max(c.next, oldest+int64(w.Hop))
}

// closer closes one shard of one table.
type closer struct {
	s    *State
	e    *engine
	t    *table
	sh   *shard
	mark int64
	emit func(window int, start int64, f frame, totals *frame)
}

func (c *closer) run() {
	for start, f := range c.sh.panes.Take(c.mark) {
		for slot := range f.cells(c.t.plan) {
			x := c.sh.slots.at(slot)
			x.lastSeen = max(x.lastSeen, start)
		}
		for i, w := range c.e.rule.Windows {
			if c.e.feeds[i] >= 0 {
				continue
			}
			if w.Tumbling() && w.Size == c.e.base {
				c.closed(i, start, f)
			} else {
				c.collect(i, start, f)
			}
		}
	}
	for _, i := range c.bySize() {
		if w := c.e.rule.Windows[i]; w.Tumbling() {
			for start, f := range c.sh.windows[i].open.Take(c.mark) {
				c.closed(i, start, f)
			}
		} else {
			c.hop(i, w)
		}
	}
	c.corrections()
}

// bySize returns the windows, small before large, because small ones feed large ones.
func (c *closer) bySize() []int {
	order := make([]int, len(c.e.rule.Windows))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(c.e.rule.Windows[a].Size, c.e.rule.Windows[b].Size) })
	return order
}

// collect adds a closed pane to a larger window. The frame may be shared with the outbox, so it is copied.
func (c *closer) collect(i int, start int64, f frame) {
	into, _ := c.sh.windows[i].open.At(start)
	c.s.coarsened += into.merge(c.t.plan, &f, c.s.spec.MaxBuckets)
}

// closed handles a complete tumbling window: it is sent, and added to the windows that it feeds.
func (c *closer) closed(i int, start int64, f frame) {
	for j, from := range c.e.feeds {
		if from == i {
			c.collect(j, start, f)
		}
	}
	c.out(i, start, f)
}

// hop closes the windows of a hopping kind: each is merged from panes that it shares with its neighbours.
func (c *closer) hop(i int, w window.Spec) {
	col := c.sh.windows[i]
	for {
		oldest, ok := col.open.Oldest()
		if !ok {
			break
		}
		end := col.firstEnd(w, oldest)
		if end > c.mark {
			break
		}
		var merged frame
		for start, f := range col.open.All() {
			if start < end {
				c.s.coarsened += merged.merge(c.t.plan, f, c.s.spec.MaxBuckets)
			}
		}
		c.out(i, end-int64(w.Size), merged)
		col.next = end + int64(w.Hop)
		for range col.open.Take(end - int64(w.Size) + int64(w.Hop)) { // in no later window
		}
	}
	// Empty windows are closed as well: a late point must not reopen them.
	col.next = max(col.next, add(window.Align(c.mark, w.Hop), int64(w.Hop)))
}

// out adds a window to the outbox, if the rule covers it.
func (c *closer) out(i int, start int64, f frame) {
	if !c.e.makes(start) || len(f.pages) == 0 {
		return
	}
	set, col := &c.s.spec.Settings, c.sh.windows[i]
	var totals *frame
	if c.e.temporality == Cumulative {
		col.totals.merge(c.t.plan, &f, set.MaxBuckets)
		copied := col.totals.pick(c.t.plan, slotsOf(&f, c.t.plan), set.MaxBuckets)
		totals = &copied
	}
	if col.kept != nil {
		k, _ := col.kept.At(start)
		k.frame = f
		f = f.pick(c.t.plan, slotsOf(&f, c.t.plan), set.MaxBuckets)
	}
	c.emit(i, start, f, totals)
}

// corrections sends changed closed windows again, and forgets those that are too old to change.
func (c *closer) corrections() {
	for i, w := range c.e.rule.Windows {
		kept := c.sh.windows[i].kept
		if kept == nil {
			continue
		}
		for start, k := range kept.All() {
			if len(k.dirty) > 0 {
				c.emit(i, start, k.frame.pick(c.t.plan, slices.Values(slices.Sorted(maps.Keys(k.dirty))), c.s.spec.MaxBuckets), nil)
				k.dirty = nil
			}
		}
		// kept is a set of panes as wide as a hop, or of windows, by their start.
		for range kept.Take(c.mark - c.e.correctFor - int64(w.Size) + int64(w.Hop)) {
		}
	}
}

func slotsOf(f *frame, p *aggregate.Plan) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for slot := range f.cells(p) {
			if !yield(slot) {
				return
			}
		}
	}
}

// promise returns the time before which nothing more will be sent.
func (s *State) promise(low time.Time) time.Time {
	if s.mark == window.Never {
		return time.Unix(0, 0).UTC()
	}
	t := min(low.UnixNano(), add(s.mark, 1))
	if s.spec.OnLate == Correct {
		t = min(t, s.mark-int64(s.spec.CorrectFor))
	}
	if len(s.outbox) > 0 {
		t = min(t, s.outbox[0].end())
	}
	return time.Unix(0, max(t, 0)).UTC()
}

// maxBehind is how far behind the newest point a sender may be and still determine the time for the stream timeout.
const maxBehind = 24 * time.Hour

// forget removes streams without points for the stream timeout, in event time, and ended rules. What the outbox still needs stays. The
// time is that of the sender that is furthest behind: by the others' time all its streams would be forgotten while it sends, and the next
// point of each counter would be a baseline whose increment is lost.
func (s *State) forget() {
	if len(s.outbox) > 0 || s.lastNewest == window.Never {
		return
	}
	s.engines = slices.DeleteFunc(s.engines, func(e *engine) bool {
		if !e.done(s.mark) {
			return false
		}
		s.streams.Add(-e.streams.Load())
		for _, t := range e.tables {
			for i := range t.shards {
				sh := &t.shards[i]
				for slot := range sh.slots.n {
					s.releaseNames(sh, sh.slots.at(slot))
				}
			}
		}
		clear(s.cache)
		return true
	})
	timeout := int64(s.spec.StreamTimeout)
	if s.lastNewest < add(s.sweptAt, timeout/8) {
		return
	}
	s.sweptAt = s.lastNewest
	s.wmu.Lock()
	slowest := min(s.slowest, s.slowestBefore)
	s.slowestBefore, s.slowest = s.slowest, math.MaxInt64
	s.wmu.Unlock()
	horizon := min(s.lastNewest, max(slowest, s.lastNewest-int64(maxBehind))) - timeout
	s.runs.forget(horizon)
	for _, e := range s.engines {
		for _, t := range e.tables {
			for i := range t.shards {
				s.sweep(e, t, &t.shards[i], horizon)
			}
		}
	}
}

func (s *State) sweep(e *engine, t *table, sh *shard, horizon int64) {
	for i := range sh.slots.n {
		x := sh.slots.at(i)
		if x.descriptor == freeSlot || x.lastSeen >= horizon || add(x.lastSeen, e.keepFor+int64(e.base)) > s.mark {
			continue
		}
		open := false
		for _, f := range sh.panes.All() {
			open = open || f.has(t.plan, i)
		}
		if open {
			continue
		}
		for _, c := range sh.windows {
			if c.totals.has(t.plan, i) {
				c.totals.clear(t.plan, i)
			}
		}
		sh.index.remove(i)
		if s.descriptors.of(x.descriptor).overflow {
			e.folded.Add(-1)
		} else {
			e.streams.Add(-1)
			s.streams.Add(-1)
		}
		s.releaseNames(sh, x)
		sh.free = append(sh.free, i)
	}
	if sh.texts.wasteful() {
		sh.moveTexts()
	}
}

// moveTexts moves the remaining texts to a smaller memory, so that there is room.
func (sh *shard) moveTexts() {
	old := sh.texts
	sh.texts = texts{}
	for i := range sh.slots.n {
		if x := sh.slots.at(i); x.descriptor != freeSlot {
			x.values, _ = sh.texts.put(textAt(old.chunks, x.values))
		}
	}
}

func (s *State) releaseNames(sh *shard, x *slot) {
	if x.descriptor == freeSlot {
		return
	}
	s.values.drop(textAt(sh.texts.chunks, x.values))
	sh.texts.drop(x.values)
	if f, gone := s.descriptors.release(x.descriptor); gone {
		s.names.release(f.names)
		s.idents.release(f.ident)
		s.metrics.release(f.metric)
	}
	*x = slot{descriptor: freeSlot}
}

// add returns a + b for b >= 0, or the latest possible time.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
