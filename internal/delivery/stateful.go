package delivery

import (
	"context"
	"io"
	"math"
	"time"
)

// Unbounded is the low watermark of the first component of a pipeline: no component is before it, so it closes by its own rules alone. It
// is the latest time that fits int64 nanoseconds (year 2262).
func Unbounded() time.Time { return time.Unix(0, math.MaxInt64).UTC() }

// Stateful is a component's state for one partition. The session's driver calls it from one goroutine, components in pipeline order, and
// never while a batch is between [Session.Enter] and its end. Only Flush may run during batches, and only in a local session.
//
// What an implementation passes on at once, admits, expires or accumulates must depend only on the records and their order: never on batch
// bounds, the wall clock or a tick. Only Advance fills the outbox.
//
// If an implementation also has a method Sync(ctx context.Context) error, the session calls it before each Snapshot: see [Barrier]. If it
// also has a method Close(), the session calls it once when it ends: the state is then void, and nothing more may be sent from it.
type Stateful interface {
	// Restore reads the output of Snapshot, and continues under the rules in it. It is called at most once, before anything else. An error
	// leaves the value unusable. r ends where the state ends.
	Restore(r io.Reader) error

	// Advance moves everything that is due to the outbox. It must not close anything at or after low, because the component before can
	// still send data for that time. It returns out, its promise to the next component: it sends nothing older than out any more,
	// including the outbox (so while the outbox holds a value with time t, out is at most t). now makes something due only if atEnd: the driver
	// has read all records; otherwise it can only hold back a value that is far ahead of it. due reports whether the outbox holds anything; if false, the state is unchanged.
	Advance(now time.Time, atEnd bool, low time.Time) (due bool, out time.Time)

	// Snapshot writes everything, including rules and outbox. The session buffers w.
	Snapshot(w io.Writer) error

	// Flush sends the outbox downstream, in time order, then empties it. After an error the outbox stays unchanged. ctx contains the
	// session, as for batches (in a local session it contains none).
	Flush(ctx context.Context) error

	// Adopt switches to the configured rules, for windows that start after the latest event time in the state. It is called at least once
	// after each Restore, even if the component joined late.
	Adopt()
}
