package cardinalityguardprocessor

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/local"
	"github.com/penstockhq/penstock/internal/repeat"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/window"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/fold"
)

// maxAhead is how far a point may be ahead of the clock; a later one counts as now.
const maxAhead = 10 * time.Minute

// partition is the guard's state for one partition.
type partition struct {
	g       *guard
	session *delivery.Session
	rules   atomic.Pointer[rules]

	tree  *admission.Tree
	table *admission.Table
	clock *admission.Clock
	fold  *fold.Fold
	// repeats are the folded delta points that a sender may send twice.
	repeats *repeat.Points

	// edges are the clock's times of the last generations, the present one last.
	edges [admission.Generations]int64 // changed by the batch that moves the clock, one at a time
	turns uint32                       // generations so far; likewise
	// admissionEdge: a cumulative stream that began before it may have been admitted once and idle since.
	admissionEdge atomic.Int64
	windowStart   atomic.Int64 // the edge of the last turn that started a window
	turning       atomic.Bool
	newest        atomic.Int64 // newest event time, within bounds
	late          atomic.Int64 // points that arrived for a closed pane

	// The following fields belong to the session's driver.
	restored bool // the rules are those of the checkpoint, until Adopt
	outbox   []fold.Batch
	seen     int64     // newest, when Advance last saw it change
	seenAt   time.Time // and when that was
	reported int64     // time of the last report
	sweep    uint32    // turns at the last pruning of nodes
}

var _ delivery.Stateful = (*partition)(nil)

func newPartition(g *guard, s *delivery.Session) *partition {
	p := &partition{g: g, session: s, table: admission.NewTable(), repeats: repeat.New()}
	l, r := g.cfg.Limits, g.rules.now()
	p.rules.Store(r)
	p.tree = admission.NewTree(l.Metrics, func(tenant, service, metric string) admission.Limits {
		return p.rules.Load().limitsOf(tenant, service, metric)
	}, g.tel.warn)
	p.clock = admission.NewClock(int64(r.IdleTimeout) / admission.Generations)
	p.fold = fold.New(fold.Limits{
		Streams: l.OverflowStreams, StreamsPerMetric: l.OverflowStreamsPerMetric, Contributors: l.Contributors, Exemplars: g.cfg.Exemplars,
		Panes: maxPanes(r.IdleTimeout, r.FlushInterval),
	}, r.FlushInterval, s.Began().UnixNano())
	return p
}

// maxPanes is how many panes may be open while the clock is behind: more than one wrong sender can open, see bounded, and panes of an hour.
func maxPanes(idle, width time.Duration) int {
	return max(512, int((2*idle/admission.Generations+maxAhead+time.Hour)/width))
}

func (p *partition) activeSeries() int64    { return p.tree.TotalUsed() }
func (p *partition) contributors() int64    { return p.fold.Contributors() }
func (p *partition) overflowStreams() int64 { return p.fold.Streams() }

// foldedDelay is how long after its time a point is sent at the latest: a pane closes when the newest point is a pane's width after its
// end, and the driver checks that every second.
func (p *partition) foldedDelay() time.Duration { return 2*p.rules.Load().FlushInterval + time.Second }

// sign adds the attributes that identify the partition that makes the stream. Without a journal its name is the instance; with a journal
// in this process the instance distinguishes it from the partition of another process.
func sign(attributes pcommon.Map, partition, instance string) {
	attributes.PutStr(partitionAttribute, partition)
	if instance != "" {
		attributes.PutStr(local.InstanceAttribute, instance)
	}
}

// tenantKey separates resources of tenants that are known only from client metadata.
func tenantKey(name string) streamkey.Key {
	return streamkey.StringAttribute(tenant.Attribute, name)
}

// vote passes the time of a resource's first point to the clock, and turns to the next generation when the clock moves. voted is false for
// a metric without a point that has a time.
func (p *partition) vote(m pmetric.Metric) (voted bool) {
	t := firstTime(m)
	if t <= 0 {
		return false
	}
	if p.clock.Vote(t) {
		p.turn()
	}
	t = p.bounded(t)
	for {
		newest := p.newest.Load()
		if t <= newest || p.newest.CompareAndSwap(newest, t) {
			return true
		}
	}
}

// bounded moves a time that is too far ahead of the clock back to the clock; a point without a time gets the clock's time too.
func (p *partition) bounded(t int64) int64 {
	step := int64(p.rules.Load().IdleTimeout) / admission.Generations
	if now := p.clock.Now(); t > now+2*step+int64(maxAhead) || t <= 0 {
		return now
	}
	return t
}

func firstTime(m pmetric.Metric) int64 {
	switch {
	case datapoint.Count(m) == 0:
		return 0
	case m.Type() == pmetric.MetricTypeGauge:
		return int64(m.Gauge().DataPoints().At(0).Timestamp())
	case m.Type() == pmetric.MetricTypeSum:
		return int64(m.Sum().DataPoints().At(0).Timestamp())
	case m.Type() == pmetric.MetricTypeHistogram:
		return int64(m.Histogram().DataPoints().At(0).Timestamp())
	case m.Type() == pmetric.MetricTypeExponentialHistogram:
		return int64(m.ExponentialHistogram().DataPoints().At(0).Timestamp())
	default:
		return int64(m.Summary().DataPoints().At(0).Timestamp())
	}
}

// turn starts the next generation: idle series, contributors and overflow streams are removed. If another turn is in progress, it does
// nothing.
func (p *partition) turn() {
	if !p.turning.CompareAndSwap(false, true) {
		return
	}
	defer p.turning.Store(false)
	now := p.clock.Now()
	if p.table.Advance(p.tree.Give) > 0 {
		// What is removed now had its last point before the oldest edge, or a little later by its own clock.
		p.admissionEdge.Store(max(p.admissionEdge.Load(), p.edges[1]))
	}
	copy(p.edges[:], p.edges[1:])
	p.edges[len(p.edges)-1] = now
	p.fold.Expire(now-int64(p.rules.Load().IdleTimeout), p.tree.Give)
	if p.turns++; p.turns%admission.Generations == 0 {
		p.windowStart.Store(now)
		p.tree.NextWindow()
	}
}

// judge, accuse and widen change the verdict on a metric, and log it.
func (p *partition) judge(n *admission.Node, l *lists) *admission.Verdict {
	before := n.Growth.Verdict()
	v := n.Growth.Judge(n.Series.Used(), l.protects)
	p.logVerdict(n, before, v)
	return v
}

func (p *partition) accuse(n *admission.Node, attribute string) *admission.Verdict {
	before := n.Growth.Verdict()
	v := n.Growth.Accuse(attribute)
	p.logVerdict(n, before, v)
	return v
}

func (p *partition) widen(n *admission.Node, l *lists) (v *admission.Verdict, ok bool) {
	before := n.Growth.Verdict()
	v, ok = n.Growth.Widen(l.protects)
	p.logVerdict(n, before, v)
	return v, ok
}

func (p *partition) logVerdict(n *admission.Node, before, v *admission.Verdict) {
	if v != before && len(v.Names) > 0 {
		p.g.tel.judged(n, v.Names, p.rules.Load().OnLimit)
	}
}

// refresh adopts changed budgets of series. With a journal it does so at a checkpoint, so that records that are read again after it are
// read under the same budgets.
func (p *partition) refresh() {
	if p.restored {
		return
	}
	if r, old := p.g.rules.now(), p.rules.Load(); r != old {
		p.take(r, old)
	}
}

// take puts other rules into force.
func (p *partition) take(r, old *rules) {
	p.rules.Store(r)
	p.tree.Refresh()
	if !old.equal(r) {
		// Verdicts of the old rules would continue to limit series although the budgets have become wider.
		p.tree.Each(func(n *admission.Node) { n.Growth.Acquit() })
	}
}

// Advance closes panes: up to the newest event time minus one pane's width, for points that arrive a little later; at the end of the
// input, time continues from there with the wall clock, but not past it. No pane closes more than five minutes before
// its time by this clock: a store refuses points of the future, and a folded point stands for many. The fold bounds the panes that
// wait for a clock that is behind.
func (p *partition) Advance(now time.Time, atEnd bool, low time.Time) (due bool, out time.Time) {
	if p.session.Source() == delivery.Direct {
		p.refresh()
	}
	r := p.rules.Load()
	newest := p.newest.Load()
	if newest == 0 {
		return len(p.outbox) > 0, p.promise(low)
	}
	if newest != p.seen {
		p.seen, p.seenAt = newest, now
	}
	if now.Equal(delivery.Unbounded()) { // The last chance to send.
		p.outbox = append(p.outbox, p.fold.Finish()...)
		return len(p.outbox) > 0, p.promise(low)
	}
	mark := min(newest, now.Add(maxAhead/2).UnixNano())
	if atEnd {
		mark = min(newest+int64(now.Sub(p.seenAt)), now.UnixNano())
	}
	mark = min(mark-int64(r.FlushInterval), low.UnixNano())
	batches, closed := p.fold.Advance(mark)
	p.outbox = append(p.outbox, batches...)
	p.report(mark)
	if p.sweep != p.turns {
		p.sweep = p.turns
		recent := p.clock.Now() - 2*int64(r.IdleTimeout)/admission.Generations
		p.tree.Prune(func(n *admission.Node) bool {
			return n.Seen.Load() < recent && !n.Growth.Busy() && !p.fold.Uses(n.ID)
		})
	}
	if c := time.Unix(0, closed); c.Before(low) {
		low = c
	}
	return len(p.outbox) > 0, p.promise(low)
}

// promise returns the earliest time of points that can still be sent, including the outbox.
func (p *partition) promise(low time.Time) time.Time {
	for _, b := range p.outbox {
		if t := time.Unix(0, b.Time); t.Before(low) {
			low = t
		}
	}
	return low
}

// Flush sends the outbox. It drops and counts permanently refused batches, and keeps those that can be retried; a batch that was sent is
// not sent again after a later one fails.
func (p *partition) Flush(ctx context.Context) error {
	for len(p.outbox) > 0 {
		b := p.outbox[0]
		to := ctx
		if b.FromClient {
			to = tenant.With(ctx, b.Tenant)
		}
		sent := pmetric.NewMetrics()
		b.Metrics.CopyTo(sent) // The next component may change what it gets, and after an error the batch is sent again.
		if err := p.g.next.ConsumeMetrics(to, sent); err != nil {
			if _, journal := delivery.From(ctx); journal || !consumererror.IsPermanent(err) {
				return err
			}
			p.g.tel.add(ctx, &tally{downstream: int64(b.Metrics.DataPointCount())})
			p.g.set.Logger.Error("The next component refused overflow streams permanently; they are dropped", zap.Error(err))
		}
		p.outbox[0] = fold.Batch{}
		p.outbox = p.outbox[1:]
	}
	p.outbox = nil
	return nil
}

// Adopt switches to the configured rules. Open panes keep their width; those that begin after them have the new one.
func (p *partition) Adopt() {
	p.restored = false
	r := p.g.rules.now()
	old := p.rules.Load()
	if old == r {
		return
	}
	p.take(r, old)
	p.fold.SetWidth(r.FlushInterval)
	if now := p.clock.Now(); now != 0 {
		step := int64(r.IdleTimeout) / admission.Generations
		p.clock = admission.NewClock(step)
		p.clock.Load(window.Align(now, time.Duration(step)))
	}
}
