package delivery

import (
	"context"
	"time"

	"github.com/penstockhq/penstock/internal/ledger"
)

// Record is the part of a journal record that a worker needs.
type Record struct {
	Offset int64
	Time   time.Time // time in the journal
	ID     RecordID
	// Content is the part of the record that the ledger needs.
	Content ledger.Content
	// Payload is passed to Deliver.
	Payload any
}

// Range is consecutive records.
type Range struct {
	Bounds
	Records []Record
	// Last is the anchor of the last of Records; nil if there is none. A shortened range may still have the anchor of the original one.
	Last *Anchor
	// AtEnd: there was no record after Next when the records were read.
	AtEnd bool
}

// Log is a partition of the journal. Its methods are called from the worker's goroutine.
type Log interface {
	// Start returns the first remaining offset and the journal time of its record (or now, if there is none).
	Start(ctx context.Context) (int64, time.Time, error)
	// End returns the offset after the last record.
	End(ctx context.Context) (int64, error)
	// Read returns records at and after from, and waits at most a tick: an empty range says whether the end was reached. If retention has
	// deleted from, First is the first remaining offset.
	Read(ctx context.Context, from int64) (Range, error)
	// Topic returns the id of the partition's topic.
	Topic(ctx context.Context) (TopicID, error)
	// Look returns the anchor of the record at offset; ok is false if there is no record.
	Look(ctx context.Context, offset int64) (a Anchor, ok bool, err error)
	// ReadExactly returns all remaining records within bounds.
	ReadExactly(ctx context.Context, bounds Bounds) (Range, error)
}

// Store is a partition of the state topic.
type Store interface {
	// Fence makes the caller the owner: no Save of an earlier owner succeeds from now on.
	Fence(ctx context.Context) error
	// Load calls each for every committed record, in order. empty: the partition never held a committed record.
	Load(ctx context.Context, each func(StateRecord) error) (empty bool, err error)
	// Committed returns the offset that the group has committed for the journal's partition; ok is false if it has none. It is the next
	// offset of a checkpoint, not necessarily of the last one.
	Committed(ctx context.Context) (offset int64, ok bool, err error)
	// Save writes records in one transaction and returns the offset of the first. ErrFenced means that there is another owner; after any
	// other error it is unknown whether they were written.
	Save(ctx context.Context, records []StateRecord) (int64, error)
	// Trim deletes records below offset, now or with a later call. A failure does no harm.
	Trim(ctx context.Context, offset int64) error
}

// Clock is the time and a way to wait.
type Clock interface {
	Now() time.Time
	// Wait returns after d, or with ctx's error.
	Wait(ctx context.Context, d time.Duration) error
}

// Observer receives reports about a worker, from the worker's goroutine. It must not block.
type Observer interface {
	// Restored: the worker resumes at offset; fresh: there was no checkpoint.
	Restored(offset int64, fresh bool)
	// Delivered: the records of a range were delivered to the pipeline, without duplicates. newest is the journal time of the range's last
	// record, zero if it has none.
	Delivered(b Bounds, newest time.Time, records, duplicates int)
	// Lost: retention deleted records that were not delivered.
	Lost(b Bounds)
	// Cut: the log lacks records that the checkpoint has. The worker resumes after the last such record that the log still holds.
	Cut(c Cut)
	// Missing: the last checkpoint is gone or torn (why), and its content is unknown. The worker resumes at next: from an older
	// checkpoint, or without a state at the group's offset.
	Missing(next int64, why error)
	// Checkpointed: the checkpoint contains everything below next.
	Checkpointed(next int64, bytes int, took time.Duration)
	// Unclaimed: the checkpoint has states of components that are no longer in the pipeline; they are kept.
	Unclaimed(ids []string)
	// DeadLettered: a record was written to the dead letter, because the pipeline refuses it permanently.
	DeadLettered(offset int64, err error)
	// Failed: the worker restarts from its last checkpoint; after a pause, unless the failure narrowed down a refused record.
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
