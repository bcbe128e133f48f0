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

// WorkerSettings describe a worker. All are required but where a zero value is described.
type WorkerSettings struct {
	// Label names the partition, for [Settings].Label.
	Label string
	// SpreadBy says what decides a record's partition, for [Settings].SpreadBy.
	SpreadBy []string
	// Source says who delivers, for [Settings].Source; empty means [Live].
	Source Source
	// Attempts is told of each attempt to send, for [Delivery].Attempts; it may be nil.
	Attempts func(exporter string, err error)
	// Aside keeps what a sink refuses of a single tenant, for [Delivery].Aside; it may be nil.
	Aside    Aside
	Log      Log
	Store    Store
	Clock    Clock
	Observer Observer
	// Deliver sends records down the pipeline; ctx carries the session. Without records it lets the components join.
	// It returns when the pipeline is done with them. What it returns for records of one range must not depend on how the
	// log is cut into ranges.
	Deliver func(ctx context.Context, b Bounds, records []Record) error
	// Permanent tells errors of Deliver that no repetition mends.
	Permanent func(error) bool
	// Bury keeps a record that the pipeline refuses for ever, with the reason. It may be called again for the same record.
	Bury func(ctx context.Context, r Record, reason error) error
	// Interval is the longest time between checkpoints while records come.
	Interval time.Duration
	// RecordRanges saves a range's bounds before it is delivered, so that it comes again with the same bounds.
	RecordRanges bool
	// InFlight is how many ranges are delivered at once, where no component keeps a state; 0 means 1. A crash repeats as
	// many.
	InFlight int
	// Tasks runs the deliveries where InFlight is above 1; nil means goroutines.
	Tasks Tasks
	// DedupWindow is how far back repeated records are found; 0: not at all.
	DedupWindow time.Duration
	// DedupMax bounds the ids kept for that.
	DedupMax int
	// Ledger is given the book of what became of the records, as the last checkpoint has it, encoded: see [ledger.Read]. It is called from
	// the worker's goroutine, and must not change the bytes. nil: no book is kept.
	Ledger func(book []byte)
	// Nonce tells this worker's checkpoints from those of others.
	Nonce uint64
}

const (
	// checkpointRate is how many bytes of checkpoint a worker writes each second at most while nothing is due: a small
	// state is saved every second, a large one every interval.
	checkpointRate = 1 << 20
	minInterval    = time.Second
	minBackoff     = 500 * time.Millisecond
	maxBackoff     = 30 * time.Second
	// cheapBytes is the largest checkpoint that is written when the partition goes elsewhere.
	cheapBytes = 8 << 20
)

// Worker delivers one partition, as its only source of records, and keeps the state of what stands behind it. See
// docs/delivery.md for what goes wrong without each step.
type Worker struct {
	set    WorkerSettings
	stop   signal
	finish signal

	session *Session
	seen    *seen
	read    int64     // what was read lies below
	next    int64     // what was delivered lies below
	flights []*flight // the ranges between
	ranges  []Bounds  // recorded, not yet delivered
	gen     Generation
	previous,
	first int64 // offsets of the first records of the last two checkpoints
	saved     time.Time
	savedSize int
	dirty     bool // something was delivered since
	// What lies below may have been taken before, under the rules of the last run: a state has seen the records up to
	// stateUntil, and of the recorded ranges up to rangesUntil some of what was written may be there.
	stateUntil, rangesUntil int64
	// againUntil: records below it may have gone down the pipeline before.
	againUntil int64
	poison     poison
	books      *books // of the session; nil where no ledger is kept

	topic         TopicID
	logGeneration uint32
	anchors       anchors
	incomplete    int // how often in a row the state topic held no whole checkpoint
}

// NewWorker returns a worker that has not begun.
func NewWorker(set WorkerSettings) *Worker {
	if set.Tasks == nil {
		set.Tasks = goroutines{}
	}
	return &Worker{set: set, stop: newSignal(), finish: newSignal()}
}

// Stop asks Run to end between two ranges, with a last checkpoint if that is cheap. It is safe to repeat, from any goroutine.
func (w *Worker) Stop() { w.stop.give() }

// Finish asks Run to end when it has delivered what the log holds by now. It is safe to repeat, from any goroutine.
func (w *Worker) Finish() { w.finish.give() }

// signal is given once.
type signal struct {
	once *sync.Once
	c    chan struct{}
}

func newSignal() signal { return signal{new(sync.Once), make(chan struct{})} }

func (s signal) give() { s.once.Do(func() { close(s.c) }) }

func (s signal) given() bool { return closed(s.c) }

// Run delivers until Stop, ctx ends or another worker owns the partition (ErrFenced). After any other error it begins
// again from the last checkpoint: what is in memory may hold half of a range.
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

// own is one ownership: from the fence to the first error.
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
		if r.First > b.First { // Part of it is gone: what is left goes under the name of the whole.
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

// step delivers one range, and closes, saves and sends what is due.
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
		if err := w.save(ctx); err != nil { // Behind the gap a sink that is away can keep the worker from saving for long.
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
	if err := w.landDone(ctx); err != nil {
		return err
	}
	if err := w.adopt(ctx); err != nil {
		return err
	}
	return w.settle(ctx, r.AtEnd)
}

// settle closes what is due; saves if anything is, or if it is time; then sends it.
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
		w.dirty = true // The outbox went: the next checkpoint need not send it again.
	}
}

// leftOut says that a small checkpoint is worth it, so that the next refused record doesn't send all up to here again.
func (w *Worker) leftOut() bool { return w.savedSize < checkpointRate && w.poison.behind(w.next) }

func (w *Worker) interval() time.Duration {
	return min(w.set.Interval, max(minInterval, w.session.SyncEvery(), time.Duration(w.savedSize)*time.Second/checkpointRate))
}

// adopt lets the components switch to the configured rules, once the records that were taken before have been taken as they
// were then, so that a second reading of them agrees with the first. From here on the rules differ, so this must be on
// record before the next range.
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

// leave ends an ownership in good order.
func (w *Worker) leave(ctx context.Context) error {
	if err := w.landAll(ctx); err != nil {
		return err
	}
	if !w.dirty || w.savedSize > cheapBytes {
		return nil
	}
	return w.save(ctx)
}

// save writes a checkpoint, once the sinks have made durable what it no longer holds: records below next, and outboxes that
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

// flush sends what the components have closed, and counts it apart: nobody received it.
func (w *Worker) flush(ctx context.Context) error {
	of := Of(ctx)
	of.Outcome = &Outcome{}
	if err := w.session.Flush(of.In(ctx)); err != nil {
		return err
	}
	w.books.created(of.Outcome)
	return nil
}

// ignore gives up an error that does no harm: what was not trimmed goes with the next trim.
func ignore(error) error { return nil }
