// Package worker connects delivery's worker to Kafka: its log is a partition of the journal, its store a partition of a state topic.
// Followers and jobs create their workers here, so that both deliver by the same rules.
package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
)

// Times of followers and jobs.
const (
	// AskTimeout bounds a request to Kafka.
	AskTimeout = 10 * time.Second
	// RetryEvery is the longest pause before a retry.
	RetryEvery = 2 * time.Second
	// MetadataAge is how long a client that waits for topics caches that there are none, and a reader where their leaders are.
	MetadataAge = 200 * time.Millisecond
	// HandOver is how long a worker may take to finish a range when its partition moves to another member.
	HandOver = 5 * time.Second
)

// Partition identifies a worker's partition.
type Partition struct {
	Topic string
	Index int32
	// StateTopic holds its checkpoints.
	StateTopic string
	// Group is the group whose offsets follow the checkpoints; empty: none.
	Group string
	// SpreadBy are the attributes that decide a record's partition: see [SpreadBy].
	SpreadBy []string
}

// SpreadBy returns the attributes by which the streams of signal are spread over the partitions of topic, which is the journal's or the
// dead letter topic; the latter has a single partition. layout is the journal's.
func SpreadBy(prefix, topic string, signal journal.Signal, layout journal.Layout) []string {
	if topic == journal.DeadLetterTopic(prefix) {
		return nil
	}
	return layout.SpreadBy(signal)
}

// Bounds are the offsets of a job, and the beginning of its range: streams that started later are new in it.
type Bounds struct {
	First, Next int64
	Began       time.Time
}

// Settings configure a worker. All fields are required unless their zero value is described.
type Settings struct {
	Partition
	// Admin is a shared client that consumes nothing; the worker's own clients copy its options.
	Admin *kgo.Client
	// Source identifies who delivers.
	Source delivery.Source
	// Bounds limit what is delivered; nil: everything, without end.
	Bounds *Bounds
	Limits Limits
	Decode func(*kgo.Record) delivery.Record
	// Permanent reports whether an error of Deliver would be repeated by every retry.
	Permanent func(error) bool
	// Deliver, DeadLetter, Observer, Attempts, Aside, and the following: see [delivery.WorkerSettings].
	Deliver      func(ctx context.Context, b delivery.Bounds, records []delivery.Record) error
	DeadLetter   func(ctx context.Context, r delivery.Record, reason error) error
	Observer     delivery.Observer
	Attempts     func(exporter string, err error)
	Aside        delivery.Aside
	Ledger       func(book []byte)
	Interval     time.Duration
	RecordRanges bool
	InFlight     int
	DedupWindow  time.Duration
	DedupMax     int
	// Reader are further options of the client that reads the log.
	Reader []kgo.Opt
}

// Worker delivers a partition.
type Worker struct {
	*delivery.Worker
	log     *Log
	store   *Store
	bounded *Bounded // nil without bounds
}

// New returns a worker that is not started. The caller must close it.
func New(set Settings) (*Worker, error) {
	log, err := NewLog(set.Admin, set.Topic, set.Index, set.Limits, set.Decode, set.Reader...)
	if err != nil {
		return nil, err
	}
	w := &Worker{log: log, store: NewStore(set.Admin, set.StateTopic, set.Index)}
	if set.Group != "" {
		w.store.Follows(set.Group, set.Topic)
	}
	clock := &Clock{}
	label := fmt.Sprintf("%s-%d", set.Topic, set.Index)
	if id, ok := set.Source.Job(); ok {
		label += "@" + id
	}
	settings := delivery.WorkerSettings{
		Label: label, Source: set.Source, SpreadBy: set.SpreadBy, Attempts: set.Attempts, Aside: set.Aside, Log: log, Store: w.store, Clock: clock, Observer: set.Observer,
		Ledger: set.Ledger, Deliver: set.Deliver, Permanent: set.Permanent, DeadLetter: set.DeadLetter, Interval: set.Interval, RecordRanges: set.RecordRanges, InFlight: set.InFlight,
		DedupWindow: set.DedupWindow, DedupMax: set.DedupMax, Nonce: rand.Uint64(),
	}
	if b := set.Bounds; b != nil {
		w.bounded = &Bounded{Log: log, First: b.First, Next: b.Next, Began: b.Began, Clock: clock, Done: func() { w.Stop() }}
		settings.Log = w.bounded
	}
	w.Worker = delivery.NewWorker(settings)
	return w, nil
}

// Run is [delivery.Worker.Run]. When it returns, reading has ended.
func (w *Worker) Run(ctx context.Context) error {
	err := w.Worker.Run(ctx)
	w.log.StopWaiting()
	if w.bounded != nil {
		w.bounded.Close()
	}
	return err
}

// Close releases the worker's Kafka clients. Run must have returned, or never been called.
func (w *Worker) Close() {
	w.store.Close()
	w.log.Close()
}

// StopWaiting is [Log.StopWaiting].
func (w *Worker) StopWaiting() { w.log.StopWaiting() }

// SkipTo is [Log.SkipTo].
func (w *Worker) SkipTo(offset int64) { w.log.SkipTo(offset) }

// SkippedTo is [Log.SkippedTo].
func (w *Worker) SkippedTo() int64 { return w.log.SkippedTo() }
