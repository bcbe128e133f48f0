package delivery

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/penstockhq/penstock/internal/ledger"
)

// LedgerID is the id of the ledger's book among the states of a checkpoint.
const LedgerID = "ledger"

// Reasons for records that the worker itself leaves out.
const (
	dropDuplicate  = "duplicate"   // an earlier record in the de-duplication window had the same bytes
	dropDeadLetter = "dead_letter" // the pipeline refuses the record permanently
)

// Account collects the outcomes of the records of one range, batch by batch. It belongs to the goroutine that delivers the range, and
// counts only if the delivery succeeds. It is not safe for concurrent use.
type Account struct {
	batches []accounted
}

type accounted struct {
	contents []ledger.Content
	outcome  *Outcome    // nil: all records were dropped
	dropped  ledger.Drop // where outcome is nil
}

// Batch returns the Outcome of a batch of one tenant that holds contents. A nil Account returns one that is discarded.
func (a *Account) Batch(contents []ledger.Content) *Outcome {
	o := &Outcome{}
	if a != nil {
		a.batches = append(a.batches, accounted{contents: contents, outcome: o})
	}
	return o
}

// Drop notes that a record was not delivered to any pipeline, and why.
func (a *Account) Drop(c ledger.Content, reason string) {
	if a != nil {
		a.batches = append(a.batches, accounted{contents: []ledger.Content{c}, dropped: ledger.Drop{Reason: reason, Items: itemsOf(c)}})
	}
}

// itemsOf returns the number of items found in a record, or the number in its header if it can't be decoded.
func itemsOf(c ledger.Content) (n int64) {
	if c.Events == nil {
		return c.Items
	}
	for _, e := range c.Events {
		n += e.Items
	}
	return n
}

// books is a session's book of the ledger. It is saved with the states of the components, so that a crash rolls back counts and deliveries
// together. It counts ranges when their delivery has completed, in the order of the log. A nil books does nothing.
type books struct {
	session *Session
	book    *ledger.Book
	// sinkCounts: a sink of the pipeline reports the items that it takes.
	sinkCounts bool
	encoded    []byte // as the last Snapshot wrote it
	publish    func([]byte)
}

var _ Stateful = (*books)(nil)

// openBooks joins the session before any component does, so that every pipeline has a book. If the checkpoint's book ends at another
// offset than the checkpoint (a release without a ledger has delivered in between, or the log was cut), it starts a new book.
func (w *Worker) openBooks() (*books, error) {
	if w.set.Ledger == nil {
		w.session.Forget(LedgerID)
		return nil, nil
	}
	b, err := Join(w.session, LedgerID, func() *books {
		return &books{session: w.session, book: ledger.NewBook(w.next), publish: w.set.Ledger}
	})
	if err != nil {
		return nil, err
	}
	if b.book.Next != w.next {
		b.book = ledger.NewBook(w.next)
	}
	b.encoded = b.book.Append(nil)
	b.saved()
	return b, nil
}

// in returns a context whose deliveries report into a.
func (b *books) in(ctx context.Context, a *Account) context.Context {
	if b == nil {
		return ctx
	}
	of := Of(ctx)
	of.Account = a
	return of.In(ctx)
}

// joined evaluates the components' reports on the empty batch with which they joined.
func (b *books) joined(o *Outcome) {
	if b != nil {
		b.sinkCounts = o.counts()
	}
}

// count counts a range that was delivered.
func (b *books) count(f *flight) {
	if b == nil {
		return
	}
	for _, r := range f.poisoned {
		b.drop(r, dropDeadLetter)
	}
	for _, r := range f.repeated {
		b.drop(r, dropDuplicate)
	}
	for _, a := range f.account.batches {
		fates := ledger.Fates{Dropped: []ledger.Drop{a.dropped}}
		if a.outcome != nil {
			items := int64(0)
			for _, c := range a.contents {
				items += itemsOf(c)
			}
			b.sinkCounts = b.sinkCounts || a.outcome.counts()
			fates = a.outcome.fates(items, !b.sinkCounts)
		}
		b.book.Batch(f.First, f.Next, a.contents, fates)
	}
}

func (b *books) drop(r Record, reason string) {
	b.book.Batch(r.Offset, r.Offset+1, []ledger.Content{r.Content}, ledger.Fates{Dropped: []ledger.Drop{{Reason: reason, Items: itemsOf(r.Content)}}})
}

// lose counts records that the journal deleted before they were read.
func (b *books) lose(gone Bounds) {
	if b != nil {
		b.book.Lost += gone.Next - gone.First
	}
}

// created counts the items that a flush has sent.
func (b *books) created(o *Outcome) {
	if b != nil {
		at := b.session.newest // Not Now: results are sent under another time than records.
		if at.IsZero() {
			at = b.session.Now()
		}
		b.book.Create(ledger.HourOf(at), o.fates(0, false))
	}
}

// upTo notes that the checkpoint that is about to be written resumes at next.
func (b *books) upTo(next int64) {
	if b != nil {
		b.book.Next = next
	}
}

// saved publishes the book of the saved checkpoint.
func (b *books) saved() {
	if b != nil {
		b.publish(b.encoded)
	}
}

// Restore implements Stateful. A book that can't be read does not stop deliveries: a new one is started.
func (b *books) Restore(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if book, err := ledger.Read(data); err == nil {
		b.book = book
	}
	return nil
}

// Snapshot implements Stateful.
func (b *books) Snapshot(w io.Writer) error {
	b.encoded = b.book.Append(make([]byte, 0, len(b.encoded)+256))
	_, err := w.Write(b.encoded)
	return err
}

// Advance implements Stateful: nothing is held back.
func (b *books) Advance(_ time.Time, _ bool, low time.Time) (bool, time.Time) { return false, low }

// Flush implements Stateful: there is no outbox.
func (b *books) Flush(context.Context) error { return nil }

// Adopt implements Stateful: there are no rules.
func (b *books) Adopt() {}

// stateless: see Rules.
func (b *books) stateless() {}

// ReadBook returns the book in the last checkpoint among the records of a state topic's partition, in order; nil if there is none.
func ReadBook(records func(each func(StateRecord) error) error) (*ledger.Book, error) {
	found := newRestorer()
	if err := records(found.add); err != nil {
		return nil, err
	}
	last := found.last.Checkpoint
	if last == nil {
		return nil, nil
	}
	_, states, err := decode(last.State)
	if err != nil {
		return nil, err
	}
	data, ok := states[LedgerID]
	if !ok {
		return nil, nil
	}
	book, err := ledger.Read(data)
	if err != nil {
		return nil, fmt.Errorf("book of the checkpoint: %w", err)
	}
	return book, nil
}
