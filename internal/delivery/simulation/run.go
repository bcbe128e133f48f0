package simulation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
)

// Variant is a deliberate mistake. The simulation must find each.
type Variant string

// The mistakes in the worker or in its environment; others are in wrong components.
const (
	Right            Variant = ""
	NoFencing        Variant = "no fencing"
	ReadBeforeFence  Variant = "read before fence"
	RetryInPlace     Variant = "retry in place"
	DedupByWallClock Variant = "dedup by wall clock"
	// NoBarrier saves checkpoints before the sink's data is durable.
	NoBarrier Variant = "checkpoint before sync"
	// BarrierForgetsCuts makes the remaining data of a sink durable and does not report what the sink lost.
	BarrierForgetsCuts Variant = "sync after a cut"
	// NoAnchors resumes at the checkpoint's offset, whatever the log holds there.
	NoAnchors Variant = "resume by offset alone"
)

// Options of a run.
type Options struct {
	// Pipeline creates a process's components, upstream of sink. run counts the processes: a component can have another configuration in
	// each. Everything that enters as a delta sum must reach the sink as samples of the same total.
	Pipeline func(run int, sink consumer.Metrics) consumer.Metrics
	// Totals: the output consists of running totals, and the last one of each series counts.
	Totals bool
	// Variant is a mistake to make.
	Variant Variant
	// Steps with faults before everything runs to its end without faults; 0 means 400.
	Steps int
	// Records of the log; 0 means 60.
	Records int
	// RecordRanges: see [delivery.WorkerSettings].
	RecordRanges bool
	// InFlight: see [delivery.WorkerSettings].
	InFlight int
	// DedupMax bounds the de-duplication window; 0 means 1000. The client never repeats a request that the window has forgotten.
	DedupMax int
	// Forgets: the sink answers before its data is durable, and loses data that is not durable at a power cut, which also ends all
	// processes, and after a failed sync.
	Forgets bool
	// Cuts: the log loses records at its end, and grows again. The output is then not summed up: every record that the log holds in the
	// end must have been delivered, and no sample may have had two values.
	Cuts bool
	// Ledger: the worker keeps a ledger, which must balance with log and sink in the end. The components of the pipeline make their
	// entries.
	Ledger bool
	// NoZombies leaves out processes that stop and wake late.
	NoZombies bool
	// Trace adds the trace of all events to the error.
	Trace bool
}

const (
	defaultSteps   = 400
	defaultRecords = 60
	finalSteps     = 20000
	processesLimit = 40
	dedupWindow    = 10 * time.Minute
	// When the run is over: no more records arrive, and the clock has passed everything that can be open.
	idleReads  = 20
	settleTime = time.Hour
)

func (o *Options) dedupMax() int {
	if o.DedupMax == 0 {
		return 1000
	}
	return o.DedupMax
}

// ErrViolation is wrapped by the error that Run returns after a violation.
var ErrViolation = errors.New("violation")

// Run runs the schedule of seed.
func Run(seed uint64, o Options) error {
	if o.Steps == 0 {
		o.Steps = defaultSteps
	}
	if o.Records == 0 {
		o.Records = defaultRecords
	}
	s := &schedule{o: o, clocks: rand.New(rand.NewPCG(seed, 21)), taken: map[delivery.RecordID]bool{}, w: &world{
		rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), now: time.Unix(1_000_000, 0), variant: o.Variant, tracing: o.Trace, ledger: o.Ledger,
		sink: sink{values: map[sample]int64{}, durable: map[sample]int64{}, forgets: o.Forgets},
	}}
	defer func() {
		for _, p := range s.processes {
			p.end()
		}
	}()
	err := s.run()
	if err != nil && o.Trace {
		err = fmt.Errorf("%w\n%s", err, strings.Join(s.w.trace, "\n"))
	}
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

type schedule struct {
	o         Options
	w         *world
	processes []*process
	owner     *process // the process to which the group assigned the partition
	started   int
	truth     int64
	sent      int
	sentTime  time.Time                  // event time of the latest record
	clocks    *rand.Rand                 // when the journal's clock is set
	ahead     time.Duration              // of the journal's clock
	passed    int64                      // offset behind the last record that an owner gave to the pipeline
	unsaid    error                      // a record came again, and the session didn't say so
	taken     map[delivery.RecordID]bool // what the pipeline took
}

func (s *schedule) run() error {
	s.assign()
	for range s.o.Steps {
		s.disturb()
		if s.o.Forgets {
			s.disturbSink()
		}
		if s.o.Cuts && s.w.rng.IntN(150) == 0 {
			s.cutLog()
		}
		s.advance()
		if len(s.w.sink.conflicts) > 0 {
			return s.verdict()
		}
	}
	// All faults end. Sleeping processes wake, and must do no harm.
	for s.sent < s.o.Records {
		s.send()
	}
	for _, p := range s.processes {
		p.asleep = 0
	}
	s.w.sink.fail, s.w.sink.failSync, s.w.failSave, s.w.loseAnswer = sinkWell, false, false, false
	for range finalSteps {
		if !s.advance() {
			s.assign()
		}
		// The clock moves only between two reads of the log: a checkpoint takes no minutes.
		if s.owner != nil && s.owner.looked {
			s.owner.looked = false
			s.w.now = s.w.now.Add(time.Duration(1+s.w.rng.IntN(300)) * time.Second)
		}
		if s.w.now.Sub(s.sentTime) < settleTime && s.owner != nil {
			s.owner.idle = min(s.owner.idle, 1)
		}
		if s.owner != nil && s.owner.idle > idleReads {
			return s.verdict()
		}
	}
	return fmt.Errorf("%w: nobody reaches the end of the log", ErrViolation)
}

func (s *schedule) verdict() error {
	if s.unsaid != nil {
		return s.unsaid
	}
	if len(s.w.sink.conflicts) > 0 {
		return fmt.Errorf("%w: two values for one sample: %s", ErrViolation, s.w.sink.conflicts[0])
	}
	if s.o.Cuts {
		for o, e := range s.w.log {
			if !s.taken[e.id] {
				return fmt.Errorf("%w: offset %d of the log was never delivered", ErrViolation, o)
			}
		}
		return nil
	}
	if got := s.w.sink.total(s.o.Totals); got != s.truth {
		return fmt.Errorf("%w: the sink holds %d, the log %d", ErrViolation, got, s.truth)
	}
	return s.balances()
}

// disturb injects one fault, or most often none.
func (s *schedule) disturb() {
	r := s.w.rng
	switch n := r.IntN(100); {
	case n < 18 && s.sent < s.o.Records:
		s.send()
	case n < 30:
		s.w.now = s.w.now.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
	case n < 31:
		s.w.now = s.w.now.Add(time.Duration(r.IntN(200)) * time.Second)
	case n < 34:
		s.w.sink.fail = sinkFault(1 + r.IntN(3))
	case n < 36:
		s.w.failSave = true
	case n < 37:
		s.w.loseAnswer = true
	case n < 39 && s.owner != nil:
		s.w.logf("kill %s", s.owner.name)
		s.owner.end()
		s.remove(s.owner)
		s.assign()
	case n < 41 && s.owner != nil && s.started < processesLimit:
		s.w.logf("move from %s in good order", s.owner.name)
		s.owner.worker.Stop()
		s.owner = nil
		s.assign()
	case n < 44 && s.owner != nil && !s.o.NoZombies && s.started < processesLimit:
		s.w.logf("%s stops, another takes over", s.owner.name)
		s.owner.asleep = r.IntN(300)
		s.assign()
	}
}

// disturbSink removes data from the sink that is not durable.
func (s *schedule) disturbSink() {
	switch n := s.w.rng.IntN(200); {
	case n < 2:
		s.w.logf("power cut")
		for _, p := range s.processes {
			p.end()
		}
		s.processes = nil
		s.w.sink.cut()
		s.assign()
	case n < 4:
		s.w.sink.failSync = true
	case n < 5: // by the sync of another partition
		s.w.logf("the sink loses what is not durable")
		s.w.sink.cut()
	}
}

// cutLog is a journal machine that restarts with less than it had. Reading processes see an error.
func (s *schedule) cutLog() {
	n := len(s.w.log) - s.w.rng.IntN(min(len(s.w.log), 12)+1)
	s.w.logf("the log is cut to %d of %d", n, len(s.w.log))
	s.w.log = s.w.log[:n:n]
	s.w.cuts++
	s.passed = min(s.passed, int64(n)) // records after it are new
}

// advance lets one process do one step. false: no process owns the partition.
func (s *schedule) advance() bool {
	var awake []*process
	for _, p := range s.processes {
		if p.asleep > 0 {
			p.asleep--
		} else {
			awake = append(awake, p)
		}
	}
	if len(awake) > 0 {
		p := awake[s.w.rng.IntN(len(awake))]
		if !p.resume() {
			s.remove(p)
			if p == s.owner || s.owner == nil {
				s.assign()
			}
		}
	}
	return s.owner != nil
}

func (s *schedule) remove(p *process) {
	for i, q := range s.processes {
		if p == q {
			s.processes = append(s.processes[:i], s.processes[i+1:]...)
		}
	}
}

// assign starts a process that owns the partition. The owner before is not informed.
func (s *schedule) assign() {
	run := s.started
	s.started++
	p := &process{w: s.w, name: fmt.Sprint("p", run)}
	p.start(func() {
		head := s.o.Pipeline(run, p.input())
		p.worker = delivery.NewWorker(delivery.WorkerSettings{
			Label: "partition", Log: p, Store: p, Clock: p, Observer: p, Interval: 10 * time.Second, RecordRanges: s.o.RecordRanges,
			InFlight: s.o.InFlight, Tasks: p, DedupWindow: dedupWindow, DedupMax: s.o.dedupMax(), Nonce: uint64(run), Ledger: s.keepsBook(),
			Deliver: func(ctx context.Context, b delivery.Bounds, records []delivery.Record) error {
				if s.o.RecordRanges {
					of := delivery.Of(ctx)
					of.Part = &delivery.RangePart{Bounds: b}
					ctx = of.In(ctx)
				}
				return s.deliver(ctx, p, head, records)
			},
			Permanent:  func(error) bool { return false },
			DeadLetter: func(context.Context, delivery.Record, error) error { return nil },
		})
		p.effect("begin")
		err := p.worker.Run(context.Background())
		s.w.logf("%s ended: %v", p.name, err)
	})
	s.owner = p
	s.processes = append(s.processes, p)
	p.resume() // until it has a worker
}

func (s *schedule) deliver(ctx context.Context, p *process, head consumer.Metrics, records []delivery.Record) (err error) {
	if session, ok := delivery.From(ctx); len(records) > 0 && p == s.owner { // a zombie can't know
		if first := records[0].Offset; !ok || first < s.passed && !session.MaybeRedelivered() {
			s.unsaid = fmt.Errorf("%w: offset %d was delivered before, and the session doesn't say so", ErrViolation, first)
		}
		if p.cuts == s.w.cuts { // Otherwise the owner read them before the log was cut: these offsets now belong to other records.
			s.passed = max(s.passed, records[len(records)-1].Offset+1)
		}
	}
	batch := pmetric.NewMetrics()
	for _, r := range records {
		for _, rm := range r.Payload.(pmetric.Metrics).ResourceMetrics().All() {
			rm.CopyTo(batch.ResourceMetrics().AppendEmpty())
		}
	}
	defer func() {
		if err == nil {
			for _, r := range records {
				s.taken[r.ID] = true
			}
		}
	}()
	ctx = s.account(ctx, records)
	err = head.ConsumeMetrics(ctx, batch)
	for tries := 0; err != nil && s.o.Variant == RetryInPlace && tries < 10; tries++ {
		p.effect("retry in place")
		err = head.ConsumeMetrics(ctx, batch)
	}
	return err
}

// send appends a record to the log: a few points of a few series, mostly in order of time; sometimes it repeats a request, like a client
// that got no answer.
func (s *schedule) send() {
	r := s.w.rng
	s.sent++
	if s.clocks.IntN(60) == 0 { // The clock by which the journal tells times is set.
		s.ahead = time.Duration(s.clocks.IntN(2)) * time.Hour
	}
	back := 5
	if s.o.Variant == DedupByWallClock {
		back = 20
	}
	if n := len(s.w.log); n > 0 && r.IntN(8) == 0 {
		again := s.w.log[n-1-r.IntN(min(n, back))]
		if s.w.now.Sub(again.first) < dedupWindow/2 { // Each time that the clock is set can cost a tenth.
			again.time = s.w.now.Add(s.ahead)
			s.w.log = append(s.w.log, again)
			return
		}
	}
	if s.sentTime.Before(s.w.now) {
		s.sentTime = s.w.now
	}
	s.sentTime = s.sentTime.Add(time.Duration(r.IntN(15)) * time.Second)
	md := pmetric.NewMetrics()
	for range 1 + r.IntN(3) {
		// The nanoseconds make samples unique.
		at := s.sentTime.Add(-time.Duration(r.IntN(4)*r.IntN(4)*r.IntN(10)) * time.Second).Add(time.Duration(s.sent<<8+md.DataPointCount()) * time.Nanosecond)
		value := int64(1 + r.IntN(1_000_000))
		p := NewPoint(md, "requests", at, value)
		p.Attributes().PutInt("series", int64(r.IntN(6)))
		s.truth += value
	}
	var id delivery.RecordID
	binary.LittleEndian.PutUint64(id[:], uint64(s.sent))
	s.w.log = append(s.w.log, entry{metrics: md, id: id, time: s.w.now.Add(s.ahead), first: s.w.now})
}

// NewPoint adds a delta sum with one point to md and returns the point.
func NewPoint(md pmetric.Metrics, name string, at time.Time, value int64) pmetric.NumberDataPoint {
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	p := sum.DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(at))
	p.SetIntValue(value)
	return p
}
