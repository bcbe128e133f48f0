// Package worker connects delivery's worker to Kafka: a partition of the journal is its log, one of a state topic its store. Followers and jobs
// make their workers here, so that both deliver by the same rules.
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

// Times that followers and jobs keep.
const (
	// AskTimeout bounds a question to Kafka.
	AskTimeout = 10 * time.Second
	// RetryEvery is the longest pause before something is tried again.
	RetryEvery = 2 * time.Second
	// MetadataAge is how long a client that waits for topics remembers that there are none.
	MetadataAge = 200 * time.Millisecond
	// HandOver is how long a worker may take to finish a range when its partition goes elsewhere.
	HandOver = 5 * time.Second
)

// Partition says which one a worker is for.
type Partition struct {
	Topic string
	Index int32
	// StateTopic holds its checkpoints.
	StateTopic string
	// Group is the one whose offsets follow the checkpoints; empty: none.
	Group string
	// SpreadBy says what decides a record's partition: see [SpreadBy].
	SpreadBy []string
}

// SpreadBy says what spreads the streams of signal over the partitions of topic, which is the journal's or the dead letter: that one has a single
// partition. layout is the journal's.
func SpreadBy(prefix, topic string, signal journal.Signal, layout journal.Layout) []string {
	if topic == journal.DeadLetterTopic(prefix) {
		return nil
	}
	return layout.SpreadBy(signal)
}

// Bounds are the offsets of a job, and when its range begins: streams that started later are new in it.
type Bounds struct {
	First, Next int64
	Began       time.Time
}

// Settings of a worker. All are required but where a zero value is described.
type Settings struct {
	Partition
	// Asking is shared, consumes nothing, and is the mould of the worker's own clients.
	Asking *kgo.Client
	// Source says who delivers.
	Source delivery.Source
	// Bounds of what is delivered; nil: all there is, for ever.
	Bounds *Bounds
	Limits Limits
	Decode func(*kgo.Record) delivery.Record
	// Permanent says whether an error of Deliver stays, however often a record comes.
	Permanent func(error) bool
	// Deliver, Bury, Observer, Attempts, Aside, and what follows: see [delivery.WorkerSettings].
	Deliver      func(ctx context.Context, b delivery.Bounds, records []delivery.Record) error
	Bury         func(ctx context.Context, r delivery.Record, reason error) error
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

// New returns a worker that has not begun. Close it.
func New(set Settings) (*Worker, error) {
	log, err := NewLog(set.Asking, set.Topic, set.Index, set.Limits, set.Decode, set.Reader...)
	if err != nil {
		return nil, err
	}
	w := &Worker{log: log, store: NewStore(set.Asking, set.StateTopic, set.Index)}
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
		Ledger: set.Ledger, Deliver: set.Deliver, Permanent: set.Permanent, Bury: set.Bury, Interval: set.Interval, RecordRanges: set.RecordRanges, InFlight: set.InFlight,
		DedupWindow: set.DedupWindow, DedupMax: set.DedupMax, Nonce: rand.Uint64(),
	}
	if b := set.Bounds; b != nil {
		w.bounded = &Bounded{Log: log, First: b.First, Next: b.Next, Began: b.Began, Clock: clock, Done: func() { w.Stop() }}
		settings.Log = w.bounded
	}
	w.Worker = delivery.NewWorker(settings)
	return w, nil
}

// Run is [delivery.Worker.Run]. When it returns nothing is read any more.
func (w *Worker) Run(ctx context.Context) error {
	err := w.Worker.Run(ctx)
	w.log.Hurry()
	if w.bounded != nil {
		w.bounded.Close()
	}
	return err
}

// Close releases what the worker has of Kafka. Run must have returned, or never been called.
func (w *Worker) Close() {
	w.store.Close()
	w.log.Close()
}

// Hurry, GiveUp and GivenUp are the log's.
func (w *Worker) Hurry() { w.log.Hurry() }

// GiveUp is [Log.GiveUp].
func (w *Worker) GiveUp(offset int64) { w.log.GiveUp(offset) }

// GivenUp is [Log.GivenUp].
func (w *Worker) GivenUp() int64 { return w.log.GivenUp() }
