package follow

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/group"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

const stage = "follow"

// assignment is a partition while this member owns it.
type assignment struct {
	f         *follower
	partition int32
	cancel    context.CancelFunc
	done      chan struct{}

	mu     sync.Mutex
	worker *worker.Worker // guarded by mu; nil between two workers
	ended  bool           // guarded by mu

	saved     atomic.Int64 // -1 before the first checkpoint
	next      atomic.Int64 // everything below was delivered; -1 while unknown
	newest    atomic.Int64 // Unix ns; the journal time of the newest record below next
	passed    atomic.Int64 // everything below was passed to the pipeline
	caughtUp  atomic.Int64 // Unix ns; time at which the journal's end was delivered; 0: unknown
	floor     atomic.Int64 // records below that were not delivered are discarded
	sends     sends
	committed int64 // guarded by f.mu

	discarded []delivery.Bounds // belongs to the worker; gaps that no checkpoint contains yet

	book atomic.Pointer[[]byte] // the ledger's, as in the last checkpoint; nil before the first
}

// begin starts the delivery of partition p. f.mu is held.
func (f *follower) begin(ctx context.Context, p int32) *assignment {
	ctx, cancel := context.WithCancel(ctx)
	a := &assignment{f: f, partition: p, cancel: cancel, done: make(chan struct{}), committed: -1}
	a.saved.Store(-1)
	a.next.Store(-1)
	go func() {
		defer close(a.done)
		a.run(ctx)
	}()
	return a
}

// end asks the worker to end with how, and cancels it after grace.
func (a *assignment) end(how func(*worker.Worker), grace time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
	a.ended = true
	if a.worker != nil {
		how(a.worker)
		a.worker.StopWaiting()
	}
	if grace == 0 || a.worker == nil {
		a.cancel()
		return
	}
	time.AfterFunc(grace, a.cancel)
}

// run delivers until end. A worker that was fenced ends; the next one starts only after the group has confirmed that this member still
// owns the partition, because otherwise two members would fence each other in turns.
func (a *assignment) run(ctx context.Context) {
	defer a.cancel()
	for {
		err := a.deliver(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		a.f.set.Logger.Warn("a partition moved to another member, or can't be delivered", zap.Int32("partition", a.partition), zap.Error(err))
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(worker.RetryEvery + rand.N(worker.RetryEvery)):
			}
			if group.Confirm(ctx, a.f.group, a.f.groupName(), a.f.cfg.InstanceID) == nil {
				break
			}
		}
	}
}

// deliver runs one worker.
func (a *assignment) deliver(ctx context.Context) error {
	f := a.f
	limits := f.cfg.Range
	w, err := worker.New(worker.Settings{
		Partition: worker.Partition{
			Topic: f.topic, Index: a.partition, StateTopic: f.entry.Signal().StateTopic(f.cluster.TopicPrefix, f.cfg.Group), Group: f.groupName(), SpreadBy: f.spreadBy,
		},
		Admin: f.admin, Source: delivery.Live, Decode: a.decode, Deliver: a.send, Permanent: consumererror.IsPermanent, DeadLetter: a.deadLetterRefused, Observer: a, Attempts: f.sink.attempted, Aside: a,
		Limits: worker.Limits{Records: limits.MaxRecords, Bytes: f.rangeBytes, Wait: limits.MaxWait,
			End: func(since time.Time) (int64, bool) { return f.end(a.partition, since) }},
		Interval: f.cfg.CheckpointInterval, RecordRanges: limits.Recorded, InFlight: f.maxInFlight(),
		Ledger: f.keepsBook(a), DedupWindow: f.cfg.DedupWindow, DedupMax: f.cfg.DedupMaxRecords, Reader: []kgo.Opt{kgo.WithHooks(fetchTimer{f})},
	})
	if err != nil {
		return err
	}
	defer w.Close()
	w.SkipTo(a.floor.Load())
	a.mu.Lock()
	if a.ended {
		a.mu.Unlock()
		return nil
	}
	a.worker = w
	a.mu.Unlock()
	err = w.Run(ctx)
	a.mu.Lock()
	a.worker = nil
	a.mu.Unlock()
	return err
}

func (a *assignment) decode(k *kgo.Record) delivery.Record {
	out := delivery.Record{Offset: k.Offset, Time: k.Timestamp}
	it := &pipeline.Item{Kafka: k}
	out.Payload = it
	it.Record, it.Err = journal.FromKafka(k)
	it.Content = content(k, &it.Record)
	var dedupable bool
	if it.Err == nil {
		it.Request, dedupable, it.Err = a.f.entry.Read(k.Value)
	}
	if it.Err == nil && dedupable {
		out.ID = delivery.RecordID(it.Record.ID())
		it.Deduplicated = a.f.cfg.DedupWindow > 0
	}
	if it.Err == nil && a.f.books != nil {
		found(&it.Content, &it.Record, it.Request)
	}
	out.Content = it.Content
	return out
}

// send passes records on, one batch for each tenant and client metadata. A batch does not copy its records: after a failure they are
// decoded again.
func (a *assignment) send(ctx context.Context, b delivery.Bounds, records []delivery.Record) error {
	if len(records) == 0 {
		return a.f.entry.Consume(ctx, nil)
	}
	a.f.inFlight.Add(int64(len(records)))
	defer a.f.inFlight.Add(-int64(len(records)))
	a.countAgain(ctx, records)
	of := delivery.Of(ctx)
	ctx, done := a.sends.begin(ctx, records[0].Offset, records[0].Time)
	defer done()
	var batches []*pipeline.Batch
	byRecord := of.Session.ByRecord()
	badTenants := int64(0)
	for _, r := range records {
		it := r.Payload.(*pipeline.Item)
		if it.Record.BadTenant {
			badTenants++
		}
		if it.Err != nil {
			if err := a.deadLetter(ctx, it.Kafka, "decode", it.Err); err != nil {
				return err
			}
			of.Account.Drop(it.Content, "decode")
			continue
		}
		if byRecord {
			batches = append(batches, it.Alone(true))
		} else {
			batches = it.Into(batches, of.Session.Stateful())
		}
	}
	for i, batch := range batches {
		of.At = batch.At()
		if a.f.cfg.Range.Recorded {
			of.Part = &delivery.RangePart{Bounds: b, Index: i}
		}
		of.Outcome = of.Account.Batch(batch.Contents())
		if err := batch.Send(of.In(ctx), a.f.entry); err != nil {
			if errors.Is(context.Cause(ctx), errDiscarded) {
				return errDiscarded
			}
			if ctx.Err() == nil && !consumererror.IsPermanent(err) {
				a.f.sink.attempted("", err) // Third-party exporters do not report their attempts.
			}
			return err
		}
	}
	a.countBadTenants(ctx, badTenants)
	a.f.telemetry.ReceiverKafkaReplayDeliveryDelay.Record(ctx, time.Since(records[0].Time).Seconds(), a.f.with())
	return nil
}

// countBadTenants counts records with an invalid tenant name, which other writers and earlier releases wrote.
func (a *assignment) countBadTenants(ctx context.Context, n int64) {
	if n == 0 {
		return
	}
	a.f.telemetry.ReceiverKafkaReplayChangedRecords.Add(ctx, n, a.f.with(attribute.String("reason", "tenant")))
	if a.f.roster.lines.Allow("tenant "+a.f.groupName(), time.Now(), a.f.cfg.OutageAfter) {
		a.f.set.Logger.Warn("Records of the journal have an invalid tenant name and are delivered for the default tenant", zap.Int64("records", n), zap.Int32("partition", a.partition))
	}
}

// countAgain counts the records that this member has passed to the pipeline before.
func (a *assignment) countAgain(ctx context.Context, records []delivery.Record) {
	passed := a.passed.Load()
	again := 0
	for again < len(records) && records[again].Offset < passed {
		again++
	}
	if again > 0 {
		a.f.telemetry.ReceiverKafkaReplayRedeliveredRecords.Add(ctx, int64(again), a.f.with())
	}
	for next := records[len(records)-1].Offset + 1; passed < next && !a.passed.CompareAndSwap(passed, next); {
		passed = a.passed.Load()
	}
}

func (a *assignment) deadLetterRefused(ctx context.Context, r delivery.Record, reason error) error {
	return a.deadLetter(ctx, r.Payload.(*pipeline.Item).Kafka, "refused", reason)
}

// deadLetter writes a record to the dead letter topic.
func (a *assignment) deadLetter(ctx context.Context, k *kgo.Record, reason string, cause error) error {
	return a.letterOf(ctx, k, stage, reason, cause.Error(), true)
}

func (a *assignment) letterOf(ctx context.Context, k *kgo.Record, stage, reason, cause string, fromJournal bool) error {
	err := a.f.deadLetters.WriteLarge(ctx, journal.DeadLetter(a.f.cluster.TopicPrefix, stage, reason+": "+cause, k, fromJournal))
	if err != nil {
		return err
	}
	a.f.telemetry.ReceiverKafkaReplayDeadLetters.Add(ctx, 1, a.f.with(attribute.String("reason", reason)))
	return nil
}

var _ delivery.Aside = (*assignment)(nil)

// Keep writes a tenant's output to the dead letter topic.
func (a *assignment) Keep(ctx context.Context, l delivery.Letter) error {
	r := journal.Record{Tenant: l.Tenant, Key: l.Tenant, Value: l.Request, Received: time.Now()}
	return a.letterOf(ctx, r.Kafka(a.f.topic), l.By, l.Reason, l.Cause, false)
}

// Waiting returns tenants with undelivered records in the partition.
func (a *assignment) Waiting(ctx context.Context) []string {
	next := a.next.Load()
	end, known := a.f.end(a.partition, time.Time{})
	if next < 0 || !known {
		return nil
	}
	return worker.Waiting(ctx, a.f.admin, a.f.topic, a.partition, next, end)
}

var _ delivery.Observer = (*assignment)(nil)

func (a *assignment) Restored(offset int64, fresh bool) {
	a.next.Store(offset)
	a.newest.CompareAndSwap(0, time.Now().UnixNano())
	a.discarded = nil
	a.f.set.Logger.Info("following a partition", zap.Int32("partition", a.partition), zap.Int64("offset", offset), zap.Bool("fresh", fresh))
}

func (a *assignment) Delivered(b delivery.Bounds, newest time.Time, records, duplicates int) {
	a.next.Store(b.Next)
	if !newest.IsZero() {
		a.newest.Store(newest.UnixNano())
	}
	a.f.noteCaughtUp(a)
	if records > 0 {
		a.f.sink.worked()
	}
	a.f.telemetry.ReceiverKafkaReplayDeliveredRecords.Add(context.Background(), int64(records), a.f.with())
	a.f.telemetry.ReceiverKafkaReplayDuplicateRecords.Add(context.Background(), int64(duplicates), a.f.with())
}

func (a *assignment) Lost(b delivery.Bounds) {
	if a.lostByChoice(b) {
		return
	}
	n := a.f.lost(a.partition, b)
	if n == 0 {
		return
	}
	a.f.telemetry.ReceiverKafkaReplayLostRecords.Add(context.Background(), n, a.f.with(attribute.String("reason", "retention")))
	a.f.set.Logger.Error("retention deleted records that were not delivered", zap.Int32("partition", a.partition),
		zap.Int64("first", b.First), zap.Int64("next", b.Next))
}

func (a *assignment) Checkpointed(next int64, bytes int, took time.Duration) {
	a.saved.Store(next)
	a.countDiscarded(next)
	a.f.passed(a.partition, next)
	a.f.telemetry.ReceiverKafkaReplayCheckpointBytes.Add(context.Background(), int64(bytes), a.f.with())
	a.f.telemetry.ReceiverKafkaReplayCheckpointDuration.Record(context.Background(), took.Seconds(), a.f.with())
	a.f.telemetry.ReceiverKafkaReplayCheckpoints.Add(context.Background(), 1, a.f.with())
}

func (a *assignment) Unclaimed(ids []string) {
	a.f.set.Logger.Warn("the checkpoint contains states of components that are not in the pipeline; they are kept", zap.Strings("components", ids))
}

func (a *assignment) DeadLettered(offset int64, err error) {
	a.f.set.Logger.Error("a record was refused permanently and is in the dead letter topic", zap.Int32("partition", a.partition), zap.Int64("offset", offset), zap.Error(err))
}

func (a *assignment) Failed(err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, errDiscarded) {
		return
	}
	a.f.telemetry.ReceiverKafkaReplayFailures.Add(context.Background(), 1, a.f.with())
	level := zap.WarnLevel
	if !a.f.roster.lines.Allow("again "+a.f.groupName(), time.Now(), a.f.cfg.OutageAfter) { // Other partitions report the same.
		level = zap.DebugLevel
	}
	a.f.set.Logger.Log(level, "a delivery failed: the partition restarts from its checkpoint", zap.Int32("partition", a.partition), zap.Error(err))
}
