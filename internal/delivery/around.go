package delivery

import (
	"context"
	"time"

	"github.com/penstockhq/penstock/internal/ledger"
)

// Record is what a worker has to know of a record of the journal.
type Record struct {
	Offset int64
	Time   time.Time // in the journal
	ID     RecordID
	// Content is what the ledger has to know of the record.
	Content ledger.Content
	// Payload is for Deliver.
	Payload any
}

// Range is consecutive records.
type Range struct {
	Bounds
	Records []Record
	// Last is the anchor of the last of Records; nil if there is none. A range that was shortened may still have the one of the
	// whole.
	Last *Anchor
	// AtEnd: there was nothing behind Next when the records were read.
	AtEnd bool
}

// Log is a partition of the journal. Its methods are called from the worker's goroutine.
type Log interface {
	// Start returns the first offset that is left, and the journal time of the record there (or now, if there is none).
	Start(ctx context.Context) (int64, time.Time, error)
	// End returns the offset behind the last record.
	End(ctx context.Context) (int64, error)
	// Read returns what comes at and behind from, waiting a tick at most: an empty range says whether the end was reached.
	// Where retention has passed from, First is where the records go on.
	Read(ctx context.Context, from int64) (Range, error)
	// Topic returns the id of the topic that the partition is of.
	Topic(ctx context.Context) (TopicID, error)
	// Look returns the anchor of the record at offset; ok: the partition has one there.
	Look(ctx context.Context, offset int64) (a Anchor, ok bool, err error)
	// ReadExactly returns all records between bounds that are left.
	ReadExactly(ctx context.Context, bounds Bounds) (Range, error)
}

// Store is a partition of the state topic.
type Store interface {
	// Fence makes the caller the owner: no Save of an earlier owner succeeds from now on.
	Fence(ctx context.Context) error
	// Load calls each for every committed record, in order. empty: the partition never held a committed record.
	Load(ctx context.Context, each func(StateRecord) error) (empty bool, err error)
	// Committed returns the offset that the group has committed for the partition of the journal; ok: it has. It is the next offset
	// of a checkpoint, not always of the last one.
	Committed(ctx context.Context) (offset int64, ok bool, err error)
	// Save writes records in one transaction and returns the offset of the first. ErrFenced means that there is another
	// owner; any other error, that nobody knows whether they were written.
	Save(ctx context.Context, records []StateRecord) (int64, error)
	// Trim deletes what is below offset, now or with a later call. A failure does no harm.
	Trim(ctx context.Context, offset int64) error
}

// Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	// Wait returns after d, or with ctx's error.
	Wait(ctx context.Context, d time.Duration) error
}

// Observer is told what a worker does, from its goroutine. It must not block.
type Observer interface {
	// Restored: the worker resumes at offset; fresh: for the first time.
	Restored(offset int64, fresh bool)
	// Delivered: the records of a range went down the pipeline, without the duplicates among them. newest is the journal time
	// of its last record, zero if it has none.
	Delivered(b Bounds, newest time.Time, records, duplicates int)
	// Lost: retention deleted records that were not delivered.
	Lost(b Bounds)
	// Cut: the log doesn't hold all that the checkpoint was made behind. The worker resumes behind the last record that it does hold.
	Cut(c Cut)
	// Missing: the last checkpoint is gone or torn, which why tells, and there is no telling what was in it. The worker resumes at
	// next: from an older one, or without a state where the group's offset says.
	Missing(next int64, why error)
	// Checkpointed: everything below next is safe.
	Checkpointed(next int64, bytes int, took time.Duration)
	// Unclaimed: states of components that are not in the pipeline any more; they are kept.
	Unclaimed(ids []string)
	// Buried: a record was set aside, because the pipeline refuses it for ever.
	Buried(offset int64, err error)
	// Failed: the worker begins again from its last checkpoint; after a pause, unless it came closer to a refused record.
	Failed(err error)
}

// Tasks runs functions beside a worker.
type Tasks interface {
	// Go runs f.
	Go(f func())
	// Await returns when done is closed.
	Await(done <-chan struct{})
}

type goroutines struct{}

func (goroutines) Go(f func())                { go f() }
func (goroutines) Await(done <-chan struct{}) { <-done }
