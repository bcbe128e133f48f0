package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// maxMarks bounds the earlier positions of a sink that a checkpoint keeps.
const maxMarks = 16

// Mark is the position at which a sink's own log ended when all journal records up to At were durable in it.
type Mark struct {
	// At is the journal time of the newest record that was delivered.
	At time.Time `json:"at"`
	// Position is the sink's name for that position.
	Position string `json:"position"`
	// Number counts the marks of a partition.
	Number int64 `json:"number"`
}

// Barrier is the state of a sink that acknowledges data before it is durable: a store in this process with a log of its own. Before each
// checkpoint the worker calls Sync, for all records below the checkpoint's offset, and saves nothing after an error. The checkpoint
// contains the sink's position, so that the next start notices a sink that has less.
//
// A sink registers its barrier by joining the session: Join(s, id, func() *Barrier { return NewBarrier(s, sync) }). A checkpoint keeps the
// last mark and earlier ones at doubling distances, 16 at most. Ranges may be in flight meanwhile: see [Session.Stateful].
type Barrier struct {
	session  *Session
	sync     func(ctx context.Context) (position string, err error)
	marks    []Mark // oldest first
	restored []Mark
}

var _ Stateful = (*Barrier)(nil)

// NewBarrier returns the barrier of a sink in s. sync returns when everything that the sink had accepted before the call is durable. It
// must return an error if the sink has lost any of the data that it accepted since NewBarrier, even if all remaining data is durable: then
// the worker delivers again from its last checkpoint, in another session.
func NewBarrier(s *Session, sync func(ctx context.Context) (position string, err error)) *Barrier {
	return &Barrier{session: s, sync: sync}
}

// Restored returns the marks of the checkpoint that the session began with, oldest first.
func (b *Barrier) Restored() []Mark { return b.restored }

// Sync makes everything durable that the sink has accepted.
func (b *Barrier) Sync(ctx context.Context) error {
	position, err := b.sync(ctx)
	if err != nil {
		return err
	}
	m := Mark{At: b.session.newest, Position: position}
	if n := len(b.marks); n > 0 {
		m.Number = b.marks[n-1].Number + 1
		if m.At.IsZero() { // Nothing was delivered since the restart.
			m.At = b.marks[n-1].At
		}
	}
	if m.At.IsZero() {
		m.At = b.session.Now()
	}
	b.marks = thin(append(b.marks, m), maxMarks, func(older Mark) int64 { return m.Number - older.Number })
	return nil
}

// thin removes elements that are close to their neighbours, so that distances from the last element double, and the oldest ones beyond
// max. age is an element's distance from the last one.
func thin[T any](all []T, max int, age func(T) int64) []T {
	for i := len(all) - 2; i > 0; i-- {
		if age(all[i-1]) <= 2*age(all[i+1]) {
			all = slices.Delete(all, i, i+1)
		}
	}
	return all[len(all)-min(len(all), max):]
}

// Restore implements Stateful.
func (b *Barrier) Restore(r io.Reader) error {
	if err := json.NewDecoder(r).Decode(&b.restored); err != nil {
		return fmt.Errorf("marks of a sink: %w", err)
	}
	b.marks = slices.Clone(b.restored)
	return nil
}

// Snapshot implements Stateful.
func (b *Barrier) Snapshot(w io.Writer) error { return json.NewEncoder(w).Encode(b.marks) }

// Advance implements Stateful: nothing is held back.
func (b *Barrier) Advance(_ time.Time, _ bool, low time.Time) (bool, time.Time) { return false, low }

// Flush implements Stateful: there is no outbox.
func (b *Barrier) Flush(context.Context) error { return nil }

// Adopt implements Stateful: there are no rules.
func (b *Barrier) Adopt() {}

// stateless: see Rules.
func (b *Barrier) stateless() {}
