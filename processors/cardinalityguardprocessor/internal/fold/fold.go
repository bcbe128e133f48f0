package fold

import (
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/window"
)

const (
	shards = 16
	// maxLate bounds the late gauges of a shard until the next Advance: streams times panes, 400 bytes each.
	maxLate = 2048
)

// Limits bound a fold's memory.
type Limits struct {
	Streams          int // overflow streams in all
	StreamsPerMetric int
	Contributors     int // streams whose last value is remembered
	Exemplars        int // per stream and pane
	Panes            int // that an Advance leaves open; 0: as many as the mark says
}

// Fold holds overflow streams. It is sharded by metric: metrics in different shards don't block each other. It is safe for concurrent use,
// except for Advance, Finish, SetWidth, Append and Decode, which only the session's driver may call, while no batch is in progress.
type Fold struct {
	limits       Limits
	began        int64
	streams      atomic.Int64
	contributors atomic.Int64
	shards       [shards]Shard
}

// Shard is a part of the overflow streams, locked by [Fold.Lock].
type Shard struct {
	f  *Fold
	mu sync.Mutex

	streams      map[streamkey.Key]*Stream // guarded by mu, as are all below
	perMetric    map[uint32]int
	contributors *contributors
	panes        *window.Panes[map[*Stream]*pane]
	retiring     []*window.Panes[map[*Stream]*pane] // panes of former widths, oldest first
	closed       int64                              // no pane may begin before it, except for late gauges
	late         int                                // streams in panes that began before closed: see maxLate
}

// New returns an empty fold with panes of the given width. began is when its state began, in Unix nanoseconds: totals do not start before
// it.
func New(limits Limits, width time.Duration, began int64) *Fold {
	f := &Fold{limits: limits, began: began}
	for i := range f.shards {
		f.shards[i] = Shard{
			f: f, streams: map[streamkey.Key]*Stream{}, perMetric: map[uint32]int{}, contributors: newContributors(),
			panes: window.NewPanes[map[*Stream]*pane](width),
		}
	}
	return f
}

// Limits returns the bounds.
func (f *Fold) Limits() Limits { return f.limits }

// Streams returns the number of overflow streams, without those in their metric's own budget.
func (f *Fold) Streams() int64 { return f.streams.Load() }

// Contributors returns how many streams' last values are in the table.
func (f *Fold) Contributors() int64 { return f.contributors.Load() }

// Lock returns the shard of a metric, locked.
func (f *Fold) Lock(node uint32) *Shard {
	sh := &f.shards[node%shards]
	sh.mu.Lock()
	return sh
}

// Unlock ends what Lock began.
func (sh *Shard) Unlock() { sh.mu.Unlock() }

// Folded returns the overflow stream of the stream called key, if that is a known contributor, and the time of its last point.
func (sh *Shard) Folded(key streamkey.Key) (s *Stream, last int64) {
	i, ok := sh.contributors.index[key]
	if !ok || sh.contributors.slots[i].stream.gone {
		return nil, 0
	}
	return sh.contributors.slots[i].stream, sh.contributors.slots[i].time
}

// Horizon returns the newest time of all contributors that have been forgotten.
func (sh *Shard) Horizon() int64 { return sh.contributors.horizon }

// Stream returns the overflow stream called key, nil if there is none.
func (sh *Shard) Stream(key streamkey.Key) *Stream { return sh.streams[key] }

// Room reports whether the metric may have another overflow stream on a level of its verdict: the first level may use half of the reserve,
// the next one half of the rest, and so on, so that there is always room for wider ones. full is true if no level has room, because all
// metrics together have used up the total.
func (sh *Shard) Room(node uint32, level int) (room, full bool) {
	if sh.f.streams.Load() >= int64(sh.f.limits.Streams) {
		return false, true
	}
	part := sh.f.limits.StreamsPerMetric >> min(level+1, 30)
	return sh.perMetric[node] < sh.f.limits.StreamsPerMetric-part, false
}

// Spare reports whether the metric has fewer than extra streams beyond its reserve.
func (sh *Shard) Spare(node uint32, extra int) bool {
	return sh.perMetric[node] < sh.f.limits.StreamsPerMetric+extra
}

// Add adds an overflow stream without checking Room. key must be new.
func (sh *Shard) Add(id Identity) *Stream {
	s := &Stream{Identity: id, total: Zero(id.Kind)}
	sh.streams[id.Key] = s
	if !id.Owned {
		sh.perMetric[id.Node]++
		sh.f.streams.Add(1)
	}
	return s
}

// Fold merges p into s.
func (sh *Shard) Fold(s *Stream, p Point) (o Outcome) {
	o.Step = datapoint.Grown
	if m := p.Value.moments(); m != nil {
		o.SumNotFinite = m.FiniteSum()
	}
	if o.Refusal = sh.refusal(s, p); o.Refusal != Taken {
		return o
	}
	inc := p.Value
	if s.Aggregation == Running {
		var counts bool
		if inc, counts = sh.increase(s, &p, &o); !counts {
			return o
		}
	}
	o.Late = p.Time < sh.closed
	to := sh.pane(s, p.Time)
	if m := inc.moments(); m != nil && !o.SumNotFinite {
		o.NoSum = to.value.moments().Gap(*m) || s.total.moments().Gap(*m)
	}
	o.Coarsened = to.add(s, inc, p.Time) || o.Coarsened
	if p.Exemplars != (pmetric.ExemplarSlice{}) && sh.f.limits.Exemplars > 0 {
		datapoint.AddExemplars(to.exemplars, p.Exemplars, sh.f.limits.Exemplars)
	}
	return o
}

// refusal returns why p can't be added to s, to the pane, and to the total with it.
func (sh *Shard) refusal(s *Stream, p Point) Refusal {
	if s.gauge() && p.Time < sh.closed && sh.late >= maxLate && sh.peek(s, p.Time) == nil {
		return TooLate
	}
	switch s.Aggregation {
	case Last:
		return Taken
	case Min, Max:
		if f := p.Value.Num.Float64(); f != f {
			return NotFinite // neither less nor greater than anything
		}
		return Taken
	}
	if !p.Value.finite() {
		return NotFinite
	}
	if s.Monotonic && s.Aggregation == Delta && p.Value.Kind == Number && p.Value.Num.Less(datapoint.Int(0)) {
		return Negative
	}
	if to := sh.peek(s, p.Time); to != nil {
		if r := to.value.refusal(p.Value); r != Taken {
			return r
		}
	}
	return s.total.refusal(p.Value)
}

// peek returns the part of s in the open pane for t, nil if there is none.
func (sh *Shard) peek(s *Stream, t int64) *pane {
	if s.open == 0 {
		return nil
	}
	at, fresh := sh.panes.At(sh.place(s, t))
	if fresh {
		*at = map[*Stream]*pane{}
	}
	return (*at)[s]
}

// place returns a time in the pane for a point with time t. Increases move to the oldest open pane; a gauge's value applies only to its
// own time.
func (sh *Shard) place(s *Stream, t int64) int64 {
	if s.gauge() {
		return t
	}
	return max(t, sh.closed)
}

// pane returns the part of s in the open pane for t.
func (sh *Shard) pane(s *Stream, t int64) *pane {
	to := sh.place(s, t)
	at, fresh := sh.panes.At(to)
	if fresh {
		*at = map[*Stream]*pane{}
	}
	p := (*at)[s]
	if p == nil {
		p = &pane{value: Zero(s.Kind), exemplars: pmetric.NewExemplarSlice()}
		(*at)[s] = p
		s.open++
		if to < sh.closed {
			sh.late++
		}
		start := window.Align(to, sh.panes.Width())
		if b := sh.f.began; start < b && b < start+int64(sh.panes.Width()) {
			start = b
		}
		if s.start == 0 || start < s.start && !s.sent {
			s.start = start
		}
	}
	s.seen = max(s.seen, t)
	return p
}

// increase returns what p adds to s, and remembers p. counts is false for a repeated or overtaken point.
func (sh *Shard) increase(s *Stream, p *Point, o *Outcome) (inc Value, counts bool) {
	c := sh.contributors.find(p.Key)
	o.Evicted = sh.makeRoom(c == nil)
	if c == nil {
		c = sh.contributors.add(p.Key)
		sh.f.contributors.Add(1)
		c.start, c.time, c.value, c.stream = p.Start, p.Time, p.Value, s
		if !s.Monotonic {
			return p.Value, true // A sum of latest values needs no start.
		}
		since := p.Since
		if h := sh.contributors.horizon; h >= since {
			since = h + 1
		}
		if o.Step = datapoint.First(p.Start, p.Time, since); o.Step == datapoint.Baseline {
			return p.Value.zeroed(), true // So that a histogram has its buckets from the start.
		}
		return p.Value.withoutRange(), true
	}
	if p.Time <= c.time {
		o.Step = datapoint.Stale
		return inc, false
	}
	prev := *c
	v := p.Value.carried(prev.value)
	c.start, c.time, c.value, c.stream = p.Start, p.Time, v, s
	inc, fell, ok := v.Sub(prev.value)
	if !s.Monotonic {
		if prev.stream != s {
			return p.Value, true // The former stream has expired, and this one's share of it.
		}
		return inc, true
	}
	if o.Step = datapoint.Follow(prev.start, prev.time, p.Start, p.Time, fell); o.Step == datapoint.Reset {
		c.value = p.Value
		return p.Value.withoutRange(), true
	}
	o.Coarsened = !ok
	return inc.withoutRange(), true
}

// End notes that a stream has no value any more, from at on, and removes it from its sum of latest values. ok is false if it is in none:
// increases stay.
func (sh *Shard) End(key streamkey.Key, at int64) (ok bool) {
	i, known := sh.contributors.index[key]
	if !known || sh.contributors.slots[i].stream.Monotonic || at <= sh.contributors.slots[i].time {
		return false
	}
	sh.takeBack(sh.contributors.forget(i), at)
	sh.f.contributors.Add(-1)
	return true
}

// takeBack removes a contributor's latest value from its sum.
func (sh *Shard) takeBack(c contributor, at int64) {
	if c.stream.Monotonic || c.stream.gone {
		return
	}
	minus, _, _ := Zero(Number).Sub(c.value)
	sh.pane(c.stream, at).add(c.stream, minus, at)
}

// makeRoom enforces the limit of contributors, if adding before another one is added. It removes the least recently used one of this
// shard. But a shard always has a fair share: while others hold more than theirs, it may exceed the limit, by one share at most, and the
// others shrink with their next point. So the explosion of one metric can't take the memory of all others.
func (sh *Shard) makeRoom(adding bool) (evicted int) {
	limit := int64(sh.f.limits.Contributors)
	fair := max(limit/shards, 1)
	for {
		all, here := sh.f.contributors.Load(), int64(sh.contributors.len())
		if all < limit || all == limit && !adding || here == 0 || here < fair && all < limit+fair || !adding && here <= fair {
			return evicted
		}
		c, _ := sh.contributors.forgetOldest()
		sh.f.contributors.Add(-1)
		sh.takeBack(c, c.time)
		evicted++
	}
}

// Expire forgets contributors and overflow streams without a point since before; it calls owned for streams that free a place in their
// metric's budget.
func (f *Fold) Expire(before int64, owned func(node uint32)) {
	for i := range f.shards {
		sh := &f.shards[i]
		sh.mu.Lock()
		for c := sh.contributors.peekOldest(); c != nil && c.time < before; c = sh.contributors.peekOldest() {
			gone, _ := sh.contributors.forgetOldest()
			f.contributors.Add(-1)
			sh.takeBack(gone, before)
		}
		for key, s := range sh.streams {
			if s.seen >= before || s.open > 0 {
				continue
			}
			s.gone = true
			delete(sh.streams, key)
			if s.Owned {
				owned(s.Node)
				continue
			}
			f.streams.Add(-1)
			if sh.perMetric[s.Node]--; sh.perMetric[s.Node] == 0 {
				delete(sh.perMetric, s.Node)
			}
		}
		sh.mu.Unlock()
	}
}

// Uses reports whether the metric has overflow streams.
func (f *Fold) Uses(node uint32) bool {
	sh := f.Lock(node)
	defer sh.Unlock()
	return sh.perMetric[node] > 0
}

// SetWidth changes the width of panes that begin after the currently open ones.
func (f *Fold) SetWidth(width time.Duration) {
	for i := range f.shards {
		sh := &f.shards[i]
		sh.mu.Lock()
		if old := sh.panes; old.Width() != width {
			last := sh.closed
			for start := range old.All() {
				last = max(last, start+int64(old.Width()))
			}
			if old.Len() > 0 {
				sh.retiring = append(sh.retiring, old)
			}
			sh.panes = window.NewPanes[map[*Stream]*pane](width)
			if sh.closed = window.Align(last, width); sh.closed < last {
				sh.closed += int64(width)
			}
		}
		sh.mu.Unlock()
	}
}
