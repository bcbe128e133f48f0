package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// flight is a range that is being delivered.
type flight struct {
	Bounds
	fresh    []Record // without records that were delivered before
	repeated []Record // records that repeat others
	poisoned []Record // records that are in the dead letter
	account  Account
	last     *Anchor   // of its last record; nil: unknown
	newest   time.Time // journal time of the last record
	// What the window of de-duplication was before these records, so that a checkpoint below them has it.
	evicted []SeenRecord // ids that were evicted to make room for them
	clock   steady
	done    chan struct{} // closed when err is valid
	err     error
}

// inFlight is the number of ranges that may be in flight at once: one if a component has a state, because a state belongs to one offset.
func (w *Worker) inFlight() int {
	if w.session.Stateful() {
		return 1
	}
	return max(1, w.set.InFlight)
}

// launch starts the delivery of a range, without the records that were delivered before. If only one range may be in flight, launch
// returns after the delivery.
func (w *Worker) launch(ctx context.Context, r Range) error {
	if err := w.makeRoom(ctx); err != nil {
		return err
	}
	f := &flight{Bounds: r.Bounds, clock: w.seen.clock, done: make(chan struct{})}
	if last, ok := r.last(); ok {
		f.last = &last
	}
	for _, rec := range r.Records {
		if w.poison.is(rec.Offset) {
			f.poisoned = append(f.poisoned, rec)
			continue
		}
		if w.seen.repeats(SeenRecord{ID: rec.ID, Offset: rec.Offset, Time: rec.Time}) {
			f.repeated = append(f.repeated, rec)
		} else {
			f.fresh = append(f.fresh, rec)
		}
	}
	if n := len(r.Records); n > 0 {
		f.newest = r.Records[n-1].Time
	}
	f.evicted = w.seen.takeEvicted()
	w.read = r.Next
	w.flights = append(w.flights, f)
	ctx = w.books.in(ctx, &f.account)
	deliver := func() {
		defer close(f.done)
		if len(f.fresh) > 0 {
			f.err = w.set.Deliver(ctx, f.Bounds, f.fresh)
		}
	}
	if w.inFlight() > 1 {
		w.set.Tasks.Go(deliver)
		return nil
	}
	if len(f.fresh) > 0 {
		// What is of the future must not depend on which of the records around a clock that was set back are in one range.
		w.session.Deliver(w.seen.clock.notBefore(f.fresh[len(f.fresh)-1].Time), r.First < w.maybeRedeliveredUntil)
	}
	deliver()
	return w.complete(ctx)
}

// makeRoom waits until another range may be launched.
func (w *Worker) makeRoom(ctx context.Context) error {
	for len(w.flights) >= w.inFlight() {
		if err := w.complete(ctx); err != nil {
			return err
		}
	}
	return nil
}

// completeDone completes the ranges whose delivery has ended, in order.
func (w *Worker) completeDone(ctx context.Context) error {
	for len(w.flights) > 0 && closed(w.flights[0].done) {
		if err := w.complete(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) landAll(ctx context.Context) error {
	for len(w.flights) > 0 {
		if err := w.complete(ctx); err != nil {
			return err
		}
	}
	return nil
}

// complete waits for the lowest range in flight and completes it.
func (w *Worker) complete(ctx context.Context) error {
	f := w.flights[0]
	if !closed(f.done) {
		w.set.Tasks.Await(f.done)
	}
	if err := f.err; err != nil {
		if w.set.Permanent(err) && ctx.Err() == nil {
			err = errors.Join(err, w.deadLetter(ctx, f.Bounds, f.fresh, err))
		}
		return fmt.Errorf("deliver offsets %d to %d: %w", f.First, f.Next, err)
	}
	w.flights = w.flights[1:]
	w.next, w.dirty = f.Next, true
	w.anchors.deliver(f.Bounds, f.last)
	w.session.Delivered(f.newest)
	w.books.count(f)
	if len(w.ranges) > 0 && w.ranges[0] == f.Bounds {
		w.ranges = w.ranges[1:]
	}
	w.set.Observer.Delivered(f.Bounds, f.newest, len(f.fresh), len(f.repeated))
	return nil
}

// abandon waits until the ranges in flight have ended; their context is already cancelled.
func (w *Worker) abandon() {
	for _, f := range w.flights {
		if !closed(f.done) {
			w.set.Tasks.Await(f.done)
		}
	}
	w.flights = nil
}

// seenBelow returns the window of de-duplication as it was at w.next: with what was read since in it, those records would
// be taken for repetitions of themselves when they are read again; without what went since, others would pass twice.
func (w *Worker) seenBelow() ([]SeenRecord, steady) {
	if len(w.flights) == 0 {
		return w.seen.queue, w.seen.clock
	}
	var all []SeenRecord
	for _, f := range w.flights {
		all = append(all, f.evicted...)
	}
	for _, r := range w.seen.queue {
		if r.Offset < w.next {
			all = append(all, r)
		}
	}
	return slices.DeleteFunc(all, func(r SeenRecord) bool { return r.Offset >= w.next }), w.flights[0].clock
}
