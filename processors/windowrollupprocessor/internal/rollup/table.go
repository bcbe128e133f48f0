package rollup

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor/internal/aggregate"
)

// shardBits: streams are spread over that many locks, by key, so that batches seldom collide. It does not depend on the number of
// processors, because a stream's shard must not depend on the machine.
const (
	shardBits = 3
	shards    = 1 << shardBits
)

// engine is one rule in force, for the windows that start in (from, until].
type engine struct {
	rule        Rule
	from, until int64
	group       grouping
	base        time.Duration // width of its panes
	feeds       []int         // per window: the tumbling window that it is merged from, -1: panes
	takesAll    bool          // kinds of a metric that it matches and has aggregates for, as long as from and until are open
	temporality Temporality   // Settings.Temporality when the rule came into force
	correctFor  int64         // Settings.CorrectFor when the rule came into force; 0 if it corrects nothing
	keepFor     int64         // how long after its end a pane can still be needed
	tables      [aggregate.Kinds]*table

	streams atomic.Int64 // slots in use
	folded  atomic.Int64 // of these, overflow streams
}

// table holds the streams of one kind.
type table struct {
	plan   *aggregate.Plan
	shards [shards]shard
}

type shard struct {
	mu    sync.Mutex
	index index
	slots slab[slot]
	free  []uint32
	texts texts // one for each slot

	// panes are open. windows, by the rule's index, collect closed panes: of the window's hop, and so, for a tumbling window, of its size.
	panes   *window.Panes[frame]
	windows []*collector
}

// slot is an output stream; the index has its key.
type slot struct {
	lastSeen   int64  // start of the newest closed pane with a point in it; of its first pane before that
	born       int64  // start of its first pane: where running totals begin
	descriptor uint32 // State.descriptors; freeSlot if there is no stream
	values     uint32 // in shard.texts: its attributes, packed
}

const freeSlot = ^uint32(0)

// forever is the end of a rule in force.
const forever = 1<<63 - 1

// collector is one shard's part of one window of a rule.
type collector struct {
	open   *window.Panes[frame]
	next   int64                   // hopping: end of the first window that is not closed
	totals frame                   // running totals since a stream was created; only if the rule is Cumulative
	kept   *window.Panes[keptPane] // closed windows by start; only if the rule corrects
}

type keptPane struct {
	frame frame
	dirty map[uint32]struct{}
}

func newEngine(r Rule, set Settings, from int64) *engine {
	e := &engine{rule: r, from: from, until: forever, base: baseWidth(r.Windows), feeds: make([]int, len(r.Windows)), temporality: set.Temporality}
	if set.OnLate == Correct {
		e.correctFor = int64(set.CorrectFor)
	}
	if len(r.By) > 0 {
		e.group.by = r.By
	} else if len(r.Without) > 0 {
		e.group.without = r.Without
	}
	var largest time.Duration
	for i, w := range r.Windows {
		e.feeds[i] = -1
		for j, finer := range r.Windows {
			if finer.Tumbling() && finer.Size < w.Size && w.Hop%finer.Size == 0 &&
				(e.feeds[i] < 0 || finer.Size > r.Windows[e.feeds[i]].Size) {
				e.feeds[i] = j
			}
		}
		largest = max(largest, w.Size)
	}
	e.keepFor = int64(largest) + e.correctFor
	var aggregates []aggregate.Aggregate
	for _, name := range r.Aggregates {
		a, err := aggregate.Parse(name)
		if err != nil {
			continue // Validate has refused it
		}
		aggregates = append(aggregates, a)
	}
	e.takesAll = from == window.Never && len(r.Match.Attributes) == 0
	for k := range aggregate.Kinds {
		t := &table{plan: aggregate.NewPlan(aggregates, k)}
		for i := range t.shards {
			sh := &t.shards[i]
			sh.panes = window.NewPanes[frame](e.base)
			for _, w := range r.Windows {
				c := &collector{open: window.NewPanes[frame](w.Hop), next: window.Never}
				if e.correctFor > 0 {
					c.kept = window.NewPanes[keptPane](w.Hop)
				}
				sh.windows = append(sh.windows, c)
			}
		}
		e.tables[k] = t
	}
	return e
}

// covers reports whether t is in any window that e makes.
func (e *engine) covers(t int64) bool {
	if e.from == window.Never && e.until == forever {
		return true
	}
	for _, w := range e.rule.Windows {
		if e.from != window.Never && t < window.Align(e.from, w.Hop)+int64(w.Hop) {
			continue
		}
		if e.until == forever || t < window.Align(e.until, w.Hop)+int64(w.Size) {
			return true
		}
	}
	return false
}

// makes reports whether e makes the window that begins at start.
func (e *engine) makes(start int64) bool { return start > e.from && start <= e.until }

// done reports whether all windows of e have closed.
func (e *engine) done(mark int64) bool {
	return e.until != forever && mark >= e.until+e.keepFor+int64(e.base)
}

// late reports whether the pane of t has closed. The division is only for points near the mark.
func (e *engine) late(t, mark int64) bool {
	return t < mark && window.Align(t, e.base)+int64(e.base) <= mark
}

// correctable reports whether a point that is late for e can still correct a closed window.
func (e *engine) correctable(t, mark int64) bool { return e.correctFor > 0 && t >= mark-e.correctFor }

func (t *table) shard(k streamkey.Key) *shard { return &t.shards[k.Hi>>(64-shardBits)] }

// newSlot adds a stream to the shard, whose lock is held.
func (sh *shard) newSlot(k streamkey.Key, x slot) uint32 {
	i := sh.slots.n
	if last := len(sh.free) - 1; last >= 0 {
		i, sh.free = sh.free[last], sh.free[:last]
	} else {
		sh.slots.grow()
	}
	*sh.slots.at(i) = x
	sh.index.put(k, i)
	return i
}

// add adds p to its pane, which is open. The shard's lock is held.
func (t *table) add(sh *shard, slot uint32, p *point, maxBuckets int) (coarsened bool) {
	f, _ := sh.panes.At(p.at)
	return p.addTo(f.cell(t.plan, slot), maxBuckets)
}

// correct adds p, whose pane has closed, to every window that contains it: to closed ones as a correction, to others as the pane would
// have done. The shard's lock is held.
func (e *engine) correct(t *table, sh *shard, slot uint32, p *point, mark int64, maxBuckets int) {
	x := sh.slots.at(slot)
	x.lastSeen = max(x.lastSeen, window.Align(p.at, e.base))
	for i, w := range e.rule.Windows {
		c := sh.windows[i]
		newest := window.Align(p.at, w.Hop)
		for start := newest; start > newest-int64(w.Size); start -= int64(w.Hop) {
			if start+int64(w.Size) > mark || !e.makes(start) {
				continue
			}
			k, fresh := c.kept.At(start)
			if fresh || k.dirty == nil {
				k.dirty = map[uint32]struct{}{}
			}
			p.addTo(k.frame.cell(t.plan, slot), maxBuckets)
			k.dirty[slot] = struct{}{}
		}
		if newest+int64(w.Size) <= mark {
			continue // no open window contains it
		}
		if from := e.feeds[i]; from >= 0 {
			finer := e.rule.Windows[from].Size
			if window.Align(p.at, finer)+int64(finer) > mark {
				continue // comes with the finer window, which is open
			}
		}
		if e.feeds[i] < 0 && w.Tumbling() && w.Size == e.base {
			continue // it is the pane itself
		}
		f, _ := c.open.At(p.at)
		p.addTo(f.cell(t.plan, slot), maxBuckets)
	}
}
