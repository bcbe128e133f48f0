package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFenced says that another worker owns the partition.
var ErrFenced = errors.New("another worker owns the partition")

// WorkerSettings configure a worker. All fields are required unless their zero value is described.
type WorkerSettings struct {
	// Label names the partition, for [Settings].Label.
	Label string
	// SpreadBy are the attributes that decide a record's partition, for [Settings].SpreadBy.
	SpreadBy []string
	// Source identifies who delivers, for [Settings].Source; empty means [Live].
	Source Source
	// Attempts is called for each attempt to send, for [Delivery].Attempts; it may be nil.
	Attempts func(exporter string, err error)
	// Aside stores output that a sink refuses for a single tenant, for [Delivery].Aside; it may be nil.
	Aside    Aside
	Log      Log
	Store    Store
	Clock    Clock
	Observer Observer
	// Deliver passes records to the pipeline; ctx contains the session. Without records it lets the components join. It returns when the
	// pipeline has processed them. Its output for the records of one range must not depend on how the log is cut into ranges.
	Deliver func(ctx context.Context, b Bounds, records []Record) error
	// Permanent reports whether an error of Deliver would be repeated by every retry.
	Permanent func(error) bool
	// DeadLetter stores a record that the pipeline refuses permanently, with the reason. It may be called again for the same record.
	DeadLetter func(ctx context.Context, r Record, reason error) error
	// Interval is the longest time between checkpoints while records arrive.
	Interval time.Duration
	// RecordRanges saves a range's bounds before it is delivered, so that a repetition has the same bounds.
	RecordRanges bool
	// InFlight is how many ranges are delivered at once, if no component has a state; 0 means 1. A crash repeats as many.
	InFlight int
	// Tasks runs the deliveries if InFlight is above 1; nil means goroutines.
	Tasks Tasks
	// DedupWindow is how far back repeated records are recognized; 0: not at all.
	DedupWindow time.Duration
	// DedupMax bounds the ids in the de-duplication window.
	DedupMax int
	// Ledger receives the book of the last checkpoint, encoded: see [ledger.Read]. It is called from the worker's goroutine, and must not
	// change the bytes. nil: no book is kept.
	Ledger func(book []byte)
	// Nonce distinguishes this worker's checkpoints from those of other workers.
	Nonce uint64
}

const (
	// checkpointRate is the limit of checkpoint bytes per second while nothing is due: a worker saves a small state every second, a large
	// one every interval.
	checkpointRate = 1 << 20
	minInterval    = time.Second
	minBackoff     = 500 * time.Millisecond
	maxBackoff     = 30 * time.Second
	// cheapBytes is the largest checkpoint that is written when the partition moves to another member.
	cheapBytes = 8 << 20
)

// Worker delivers one partition, as its only source of records, and manages the states of the components downstream of it. See
// docs/delivery.md for the failure that each step prevents.
type Worker struct {
	set    WorkerSettings
	stop   signal
	finish signal

	session *Session
	seen    *seen
	read    int64     // everything below was read
	next    int64     // everything below was delivered
	flights []*flight // the ranges between next and read
	ranges  []Bounds  // recorded, not yet delivered
	gen     Generation
	previous,
	first int64 // offsets of the first records of the last two checkpoints
	saved     time.Time
	savedSize int
	dirty     bool // something was delivered since the last checkpoint
	// Records below these offsets may have been delivered before, under the rules of the last run: a state has seen the records up to
	// stateUntil, and some output of the recorded ranges up to rangesUntil may have been written.
	stateUntil, rangesUntil int64
	// maybeRedeliveredUntil: records below it may have been delivered to the pipeline before.
	maybeRedeliveredUntil int64
	poison                poison
	books                 *books // the session's; nil if no ledger is kept

	topic         TopicID
	logGeneration uint32
	anchors       anchors
	incomplete    int // how often in a row the state topic held no complete checkpoint
}

// NewWorker returns a worker that has not been started.
func NewWorker(set WorkerSettings) *Worker {
	if set.Tasks == nil {
		set.Tasks = goroutines{}
	}
	return &Worker{set: set, stop: newSignal(), finish: newSignal()}
}

// Stop makes Run end between two ranges, with a last checkpoint if that is cheap. It may be repeated, from any goroutine.
func (w *Worker) Stop() { w.stop.give() }

// Finish makes Run end when it has delivered everything that the log holds now. It may be repeated, from any goroutine.
func (w *Worker) Finish() { w.finish.give() }

// signal can be given once.
type signal struct {
	once *sync.Once
	c    chan struct{}
}

func newSignal() signal { return signal{new(sync.Once), make(chan struct{})} }

func (s signal) give() { s.once.Do(func() { close(s.c) }) }

func (s signal) given() bool { return closed(s.c) }

// Run delivers until Stop, ctx ends or another worker owns the partition (ErrFenced). After any other error it restarts from the last
// checkpoint, because the state in memory may contain half of a range.
func (w *Worker) Run(ctx context.Context) error {
	backoff := minBackoff
	for {
		from := w.next
		err := w.own(ctx)
		if w.session != nil {
			w.session.Close()
			w.session = nil
		}
		switch {
		case err == nil || errors.Is(err, ErrFenced):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		w.set.Observer.Failed(err)
		if w.next > from {
			backoff = minBackoff
		}
		if !w.poison.narrowed() {
			if err := w.set.Clock.Wait(ctx, backoff); err != nil {
				return err
			}
		}
		if w.stop.given() || w.finish.given() {
			return nil
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// own is one ownership, from the fence to the first error.
func (w *Worker) own(ctx context.Context) error {
	ctx, err := w.restore(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		w.abandon()
	}()
	for _, b := range w.ranges {
		r, err := w.set.Log.ReadExactly(ctx, b)
		if err != nil {
			return err
		}
		if r.First > b.First { // A part of it is gone: the rest is delivered under the name of the whole range.
			w.set.Observer.Lost(Bounds{First: b.First, Next: min(r.First, b.Next)})
			w.books.lose(Bounds{First: b.First, Next: min(r.First, b.Next)})
		}
		if err := w.launch(ctx, Range{Bounds: b, Records: r.Records, Last: r.Last}); err != nil {
			return err
		}
	}
	if err := w.adopt(ctx); err != nil {
		return err
	}
	for end := int64(-1); ; {
		if end < 0 && w.finish.given() {
			if end, err = w.set.Log.End(ctx); err != nil {
				return fmt.Errorf("end of the journal: %w", err)
			}
		}
		if w.stop.given() || (end >= 0 && w.read >= end) {
			return w.leave(ctx)
		}
		if err := w.step(ctx); err != nil {
			return err
		}
	}
}

// step delivers one range, and then closes, saves and sends everything that is due.
func (w *Worker) step(ctx context.Context) error {
	r, err := w.set.Log.Read(ctx, w.read)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	if r.First > w.read {
		if err := w.landAll(ctx); err != nil {
			return err
		}
		w.set.Observer.Lost(Bounds{First: w.read, Next: r.First})
		w.books.lose(Bounds{First: w.read, Next: r.First})
		w.read, w.next, w.dirty = r.First, r.First, true
		if err := w.save(ctx); err != nil { // After the gap, an unavailable sink can keep the worker from saving for a long time.
			return err
		}
	}
	if !w.set.RecordRanges {
		r = w.poison.cut(r)
	}
	if w.set.RecordRanges && len(r.Records) > 0 {
		if err := w.makeRoom(ctx); err != nil {
			return err
		}
		w.ranges = append(w.ranges[:len(w.ranges):len(w.ranges)], r.Bounds)
		w.anchors.record(r)
		if err := w.save(ctx); err != nil {
			return err
		}
	}
	if r.Next > r.First {
		if err := w.launch(ctx, r); err != nil {
			return err
		}
	}
	if err := w.completeDone(ctx); err != nil {
		return err
	}
	if err := w.adopt(ctx); err != nil {
		return err
	}
	return w.settle(ctx, r.AtEnd)
}

// settle closes what is due; saves if anything is due or the time has come; then sends.
func (w *Worker) settle(ctx context.Context, atEnd bool) error {
	for {
		now := w.set.Clock.Now()
		due := w.session.Advance(now, atEnd)
		if !due && !(w.dirty && (now.Sub(w.saved) >= w.interval() || w.leftOut())) {
			return nil
		}
		if err := w.save(ctx); err != nil {
			return err
		}
		if !due {
			return nil
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
		w.dirty = true // The outbox was sent: the next checkpoint need not send it again.
	}
}

// leftOut reports that a small checkpoint is worthwhile, so that the next refused record does not repeat all records up to here.
func (w *Worker) leftOut() bool { return w.savedSize < checkpointRate && w.poison.behind(w.next) }

func (w *Worker) interval() time.Duration {
	return min(w.set.Interval, max(minInterval, w.session.SyncEvery(), time.Duration(w.savedSize)*time.Second/checkpointRate))
}

// adopt makes the components switch to the configured rules, once the records that were delivered before have been delivered again under
// the old rules, so that a second reading agrees with the first. From here on the rules differ, so this must be saved before the next
// range.
func (w *Worker) adopt(ctx context.Context) error {
	until := w.rangesUntil
	if w.session.Stateful() {
		until = w.stateUntil
	}
	if w.read < until || !w.session.Pending() {
		return nil
	}
	if err := w.landAll(ctx); err != nil {
		return err
	}
	w.session.Adopt()
	return w.save(ctx)
}

// leave ends an ownership properly.
func (w *Worker) leave(ctx context.Context) error {
	if err := w.landAll(ctx); err != nil {
		return err
	}
	if !w.dirty || w.savedSize > cheapBytes {
		return nil
	}
	return w.save(ctx)
}

// save writes a checkpoint, once the sinks have made durable everything that it no longer contains: records below next, and outboxes that
// were sent.
func (w *Worker) save(ctx context.Context) error {
	began := w.set.Clock.Now()
	if err := w.session.Sync(ctx); err != nil {
		return err
	}
	var state bytes.Buffer
	w.books.upTo(w.next)
	if err := w.session.Snapshot(&state); err != nil {
		return err
	}
	c := &Checkpoint{Next: w.next, Ranges: w.ranges, State: state.Bytes(), Topic: w.topic, LogGeneration: w.logGeneration, Anchors: w.anchors.all()}
	seen, clock := w.seenBelow()
	c.Seen, c.SeenUntil, c.clocks = seen, clock.now, clock.differing()
	w.gen.Number++
	records := c.Records(w.gen)
	first, err := w.set.Store.Save(ctx, records)
	if err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	w.savedSize = 0
	for _, r := range records {
		w.savedSize += len(r.Value)
	}
	w.saved, w.dirty = began, false
	w.previous, w.first = w.first, first
	w.poison.forget(w.next)
	w.books.saved()
	w.set.Observer.Checkpointed(w.next, w.savedSize, w.set.Clock.Now().Sub(began))
	if w.previous > 0 {
		return ignore(w.set.Store.Trim(ctx, w.previous))
	}
	return nil
}

// flush sends the components' closed results, and counts them separately: no client sent them.
func (w *Worker) flush(ctx context.Context) error {
	of := Of(ctx)
	of.Outcome = &Outcome{}
	now, again := w.session.now, w.session.maybeRedelivered
	defer func() { w.session.Deliver(now, again) }()
	// Results are not of the future: their components have compared the points with the journal's time. Neither the last record's time nor the clock
	// may say so when a clock was set back meanwhile; the journal's time without its jumps does not.
	w.session.Deliver(w.seen.clock.notBefore(w.set.Clock.Now()), again)
	if err := w.session.Flush(of.In(ctx)); err != nil {
		return err
	}
	w.books.created(of.Outcome)
	return nil
}

// ignore discards an error that does no harm: the next trim deletes what this one did not.
func ignore(error) error { return nil }
