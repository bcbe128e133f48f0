package simulation

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/ledger"
)

// Wrong ways to keep a ledger: a crash takes back deliveries, but not these counts.
const (
	// LedgerBeside counts a range when it was delivered, and stores the count outside the checkpoint.
	LedgerBeside Variant = "a ledger beside the checkpoint"
	// LedgerOfAttempts counts everything that is delivered to the pipeline, including failed attempts.
	LedgerOfAttempts Variant = "a ledger of attempts"
)

// sinkID is the sink's id in the ledger.
const sinkID = "sink"

// keepsBook is delivery.WorkerSettings.Ledger.
func (s *schedule) keepsBook() func([]byte) {
	if !s.o.Ledger {
		return nil
	}
	return func([]byte) {}
}

// contentOf is the part of a record that the ledger needs; empty if there is no ledger.
func (w *world) contentOf(e entry) ledger.Content {
	if !w.ledger {
		return ledger.Content{}
	}
	c := ledger.Content{Tenant: "default", Hour: ledger.HourOf(e.time), Items: int64(e.metrics.DataPointCount())}
	EachPoint(e.metrics, func(_ pmetric.Metric, p pmetric.NumberDataPoint) {
		c.Events = append(c.Events, ledger.HourItems{Hour: ledger.HourOf(p.Timestamp().AsTime()), Items: 1})
	})
	return c
}

// account lets a batch report its results.
func (s *schedule) account(ctx context.Context, records []delivery.Record) context.Context {
	of := delivery.Of(ctx)
	if !s.o.Ledger || len(records) == 0 {
		return ctx
	}
	var contents []ledger.Content
	for _, r := range records {
		contents = append(contents, r.Content)
		if s.o.Variant == LedgerOfAttempts {
			s.w.received += r.Content.Items
		}
	}
	of.Outcome = of.Account.Batch(contents)
	return of.In(ctx)
}

// takes makes the sink's entry for a request that it has answered.
func (p *process) takes(ctx context.Context, points int) {
	delivery.Of(ctx).Outcome.Take(sinkID, int64(points))
}

// countBeside is the action of LedgerBeside after a range was delivered.
func (w *world) countBeside(b delivery.Bounds) {
	if w.variant == LedgerBeside {
		for o := b.First; o < min(b.Next, int64(len(w.log))); o++ {
			w.received += int64(w.log[o].metrics.DataPointCount())
		}
	}
}

// balances compares the book of the last checkpoint with the log and the sink.
func (s *schedule) balances() error {
	if !s.o.Ledger {
		return nil
	}
	want := int64(0)
	for _, e := range s.w.log {
		want += int64(e.metrics.DataPointCount())
	}
	if s.o.Variant == LedgerBeside || s.o.Variant == LedgerOfAttempts {
		if s.w.received != want {
			return fmt.Errorf("%w: the ledger has received %d, the log holds %d", ErrViolation, s.w.received, want)
		}
		return nil
	}
	book, err := delivery.ReadBook(func(each func(delivery.StateRecord) error) error {
		for _, r := range s.w.committed() {
			if err := each(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || book == nil {
		return fmt.Errorf("%w: no ledger in the last checkpoint: %w", ErrViolation, err)
	}
	for _, view := range []ledger.View{ledger.ByReceipt, ledger.ByEvent} {
		sum := ledger.Cell{}
		for k, c := range book.Cells(view) {
			sum.Add(c)
			if n := c.Unaccounted(); n != 0 {
				return fmt.Errorf("%w: view %d, %v: %d of %d items have no fate: %+v", ErrViolation, view, k, n, c.Received, *c)
			}
		}
		if sum.Received != want {
			return fmt.Errorf("%w: view %d of the ledger has received %d, the log holds %d", ErrViolation, view, sum.Received, want)
		}
	}
	total := book.Total()
	stored := total.Stored
	for _, c := range book.Created() {
		stored += c.Stored
	}
	if have := int64(len(s.w.sink.values)); stored != have && !s.o.Totals {
		return fmt.Errorf("%w: the ledger has stored %d, the sink %d", ErrViolation, stored, have)
	}
	return nil
}
