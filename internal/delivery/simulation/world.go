package simulation

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
)

var errFault = errors.New("fault")

// entry is a record of the log.
type entry struct {
	metrics pmetric.Metrics
	id      delivery.RecordID
	time    time.Time // time in the journal
	first   time.Time // when the request was first sent
}

// stateEntry is a record of the state topic.
type stateEntry struct {
	record delivery.StateRecord
	txn    int // index in world.txns
}

type txnStatus int

const (
	txnOpen txnStatus = iota
	txnCommitted
	txnAborted
)

// world is everything outside the processes.
type world struct {
	rng     *rand.Rand
	now     time.Time
	log     []entry
	cuts    int // how often the log was cut
	state   []stateEntry
	trimmed int64 // of the state topic
	txns    []txnStatus
	epoch   int // the latest producer epoch
	variant Variant
	trace   []string
	tracing bool

	ledger   bool
	received int64 // of a deliberately wrong ledger

	sink sink

	// Faults of the next call.
	failSave, loseAnswer bool
}

func (w *world) logf(format string, args ...any) {
	if w.tracing {
		w.trace = append(w.trace, fmt.Sprintf(format, args...))
	}
}

// process is one run of the collector, with one worker of the partition at a time.
type process struct {
	w      *world
	name   string
	worker *delivery.Worker
	// threads are the coroutines of the process, of which one runs at a time; the first is the worker's.
	threads []*thread
	running *thread
	asleep  int // number of steps for which it sleeps
	epoch   int
	cuts    int   // of the log, at the last fence
	idle    int   // empty reads at the end of the log, in a row
	looked  bool  // idle has risen
	passed  int64 // RunJobs' pipeline accepted everything below
	saved   []delivery.StateRecord
	slow    time.Duration // how long it has read, where that decides what repeats
}

// thread is a goroutine of a process, as a coroutine: it runs until its next effect.
type thread struct {
	yield  func(struct{}) bool
	resume func() (struct{}, bool)
	end    func()
}

// killed unwinds a process that dies.
type killed struct{}

// start makes a thread that runs f when it is resumed.
func (p *process) start(f func()) {
	t := &thread{}
	t.resume, t.end = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		defer func() {
			if r := recover(); r != nil && r != any(killed{}) {
				panic(r)
			}
		}()
		f()
	})
	p.threads = append(p.threads, t)
}

// resume runs one thread up to its next effect; false: the worker's has ended.
func (p *process) resume() bool {
	i := 0
	if len(p.threads) > 1 {
		i = p.w.rng.IntN(len(p.threads))
	}
	p.running = p.threads[i]
	if _, ok := p.running.resume(); !ok {
		if i == 0 {
			return false
		}
		p.threads = slices.Delete(p.threads, i, i+1)
	}
	return true
}

// end kills the process.
func (p *process) end() {
	for _, t := range slices.Backward(p.threads) {
		p.running = t
		t.end()
	}
}

// Go implements delivery.Tasks.
func (p *process) Go(f func()) { p.start(f) }

// Await implements delivery.Tasks.
func (p *process) Await(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
			p.effect("await")
		}
	}
}

// effect is a point at which the process can be stopped, for a time or forever.
func (p *process) effect(what string) {
	p.w.logf("%s %s", p.name, what)
	if !p.running.yield(struct{}{}) {
		panic(killed{})
	}
}

// Now implements delivery.Clock.
func (p *process) Now() time.Time { return p.w.now }

// Wait implements delivery.Clock: only the scheduler advances the time.
func (p *process) Wait(ctx context.Context, _ time.Duration) error {
	p.effect("wait")
	return ctx.Err()
}

// Start implements delivery.Log.
func (p *process) Start(context.Context) (int64, time.Time, error) { return 0, time.Unix(0, 0), nil }

// End implements delivery.Log.
func (p *process) End(context.Context) (int64, error) {
	p.effect("end")
	return int64(len(p.w.log)), nil
}

// Read implements delivery.Log: a random number of records.
func (p *process) Read(_ context.Context, from int64) (delivery.Range, error) {
	p.effect("read")
	if p.cuts != p.w.cuts { // the broker that cut its log was restarted
		return delivery.Range{}, errFault
	}
	left := int64(len(p.w.log)) - from
	n := min(left, int64(1+p.w.rng.IntN(6)))
	if n <= 0 {
		p.idle++
		p.looked = true
		return delivery.Range{Bounds: delivery.Bounds{First: from, Next: from}, AtEnd: true}, nil
	}
	p.idle = 0
	return p.records(from, from+n), nil
}

// ReadExactly implements delivery.Log.
func (p *process) ReadExactly(_ context.Context, b delivery.Bounds) (delivery.Range, error) {
	p.effect("read exactly")
	if p.cuts != p.w.cuts || b.Next > int64(len(p.w.log)) {
		return delivery.Range{}, errFault
	}
	return p.records(b.First, b.Next), nil
}

func (p *process) records(first, next int64) delivery.Range {
	r := delivery.Range{Bounds: delivery.Bounds{First: first, Next: next}, AtEnd: next == int64(len(p.w.log))}
	for o := first; o < next; o++ {
		e := p.w.log[o]
		at := e.time
		if p.w.variant == DedupByWallClock { // of a process that reads slowly
			p.slow += 55 * time.Second
			at = p.w.now.Add(p.slow)
		}
		r.Records = append(r.Records, delivery.Record{Offset: o, Time: at, ID: e.id, Content: p.w.contentOf(e), Payload: e.metrics})
	}
	if next > first && p.w.variant != NoAnchors {
		last := p.anchor(next - 1)
		r.Last = &last
	}
	return r
}

func (p *process) anchor(offset int64) delivery.Anchor {
	e := p.w.log[offset]
	return delivery.Anchor{Offset: offset, Sum: delivery.AnchorSum(e.id[:], nil, e.time)}
}

// Topic implements delivery.Log.
func (p *process) Topic(context.Context) (delivery.TopicID, error) { return delivery.TopicID{1}, nil }

// Look implements delivery.Log.
func (p *process) Look(_ context.Context, offset int64) (delivery.Anchor, bool, error) {
	p.effect("look")
	if offset >= int64(len(p.w.log)) {
		return delivery.Anchor{}, false, nil
	}
	return p.anchor(offset), true, nil
}

// Committed implements delivery.Store: the group's offset is never ahead of the checkpoint.
func (p *process) Committed(context.Context) (int64, bool, error) { return 0, false, nil }

// Fence implements delivery.Store.
func (p *process) Fence(context.Context) error {
	if p.w.variant == ReadBeforeFence {
		p.effect("load early")
		p.saved = p.w.committed()
	}
	p.effect("fence")
	p.cuts = p.w.cuts
	if p.w.variant == NoFencing {
		return nil
	}
	p.w.epoch++
	p.epoch = p.w.epoch
	for i, s := range p.w.txns {
		if s == txnOpen {
			p.w.txns[i] = txnAborted
		}
	}
	return nil
}

// committed returns what a read-committed consumer sees.
func (w *world) committed() (records []delivery.StateRecord) {
	for i, e := range w.state {
		if int64(i) >= w.trimmed && w.txns[e.txn] == txnCommitted {
			r := e.record
			r.Offset = int64(i)
			records = append(records, r)
		}
	}
	return records
}

// Load implements delivery.Store.
func (p *process) Load(_ context.Context, each func(delivery.StateRecord) error) (bool, error) {
	p.effect("load")
	records := p.w.committed()
	if p.w.variant == ReadBeforeFence {
		records = p.saved
	}
	for _, r := range records {
		if err := each(r); err != nil {
			return false, err
		}
	}
	return len(records) == 0 && p.w.trimmed == 0, nil
}

// Save implements delivery.Store: begin, write, commit, answer, and the process can stop between any two.
func (p *process) Save(_ context.Context, records []delivery.StateRecord) (int64, error) {
	p.effect("save: begin")
	if p.fenced() {
		return 0, delivery.ErrFenced
	}
	txn := len(p.w.txns)
	p.w.txns = append(p.w.txns, txnOpen)
	first := int64(len(p.w.state))
	for i, r := range records {
		if i > 0 || p.w.rng.IntN(4) == 0 {
			p.effect("save: write")
		}
		if p.fenced() {
			return 0, delivery.ErrFenced
		}
		p.w.state = append(p.w.state, stateEntry{record: r, txn: txn})
	}
	p.effect("save: commit")
	if p.fenced() {
		return 0, delivery.ErrFenced
	}
	if p.w.failSave {
		p.w.failSave = false
		p.w.txns[txn] = txnAborted
		return 0, errFault
	}
	p.w.txns[txn] = txnCommitted
	if p.w.loseAnswer {
		p.w.loseAnswer = false
		return 0, errFault
	}
	p.effect("save: answered")
	return first, nil
}

func (p *process) fenced() bool { return p.w.variant != NoFencing && p.epoch != p.w.epoch }

// Trim implements delivery.Store.
func (p *process) Trim(_ context.Context, offset int64) error {
	p.effect("trim")
	p.w.trimmed = max(p.w.trimmed, offset)
	return nil
}

// The process is its own observer: the trace has all events.

func (p *process) Restored(offset int64, fresh bool) {
	p.idle = 0
	p.w.logf("%s restored at %d, fresh %t", p.name, offset, fresh)
}
func (p *process) Delivered(b delivery.Bounds, _ time.Time, records, duplicates int) {
	p.w.countBeside(b)
	p.w.logf("%s delivered %v: %d, %d duplicates", p.name, b, records, duplicates)
}
func (p *process) Lost(b delivery.Bounds) { p.w.logf("%s lost %v", p.name, b) }
func (p *process) Cut(c delivery.Cut)     { p.w.logf("%s finds the log cut: %+v", p.name, c) }
func (p *process) Missing(next int64, why error) {
	p.w.logf("%s misses a checkpoint, resumes at %d: %v", p.name, next, why)
}
func (p *process) Checkpointed(next int64, _ int, _ time.Duration) {
	p.w.logf("%s checkpointed %d", p.name, next)
}
func (p *process) Unclaimed(ids []string)          { p.w.logf("%s unclaimed %v", p.name, ids) }
func (p *process) DeadLettered(o int64, err error) { p.w.logf("%s buried %d: %v", p.name, o, err) }
func (p *process) Failed(err error)                { p.w.logf("%s failed: %v", p.name, err) }
