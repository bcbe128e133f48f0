package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/source"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/slots"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

// part is one partition of a run.
type part struct {
	r    *run
	span replay.Span
	next atomic.Int64

	mu     sync.Mutex
	slot   *slots.Slot    // guarded by mu; the latest
	worker *worker.Worker // guarded by mu; nil unless at work
	asked  bool           // asked to stop; guarded by mu
	counts replay.Counts  // guarded by mu
}

func (p *part) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = true
	if p.worker != nil {
		p.worker.Stop()
	}
}

// run delivers the partition, whenever there is a slot for its worker.
func (p *part) run(ctx context.Context) error {
	queue := p.r.m.slots.Queue(p.r.job.Spec.ID)
	for {
		placed, slot, err := queue.Enter(ctx, p.r.quit)
		if slot == nil {
			return err
		}
		p.mu.Lock()
		p.slot = slot
		p.mu.Unlock()
		err = p.deliver(placed)
		slot.Leave(placed)
		if ctx.Err() != nil || !errors.Is(err, context.Canceled) || !errors.Is(context.Cause(placed), slots.ErrYielded) {
			return err
		}
		p.r.retries(fmt.Sprintf("partition %d waits: %v", p.span.Partition, slots.ErrYielded))
	}
}

// deliver runs one worker.
func (p *part) deliver(ctx context.Context) error {
	r := p.r
	w, err := worker.New(r.settingsOf(p))
	if err != nil {
		return err
	}
	defer w.Close()
	p.mu.Lock()
	if p.asked {
		p.mu.Unlock()
		return nil
	}
	p.worker = w
	p.mu.Unlock()
	err = w.Run(ctx)
	p.mu.Lock()
	p.worker = nil
	p.mu.Unlock()
	return err
}

// settingsOf returns the settings of p's worker.
func (r *run) settingsOf(p *part) worker.Settings {
	spec, conf := &r.job.Spec, &r.m.Settings
	bounds := worker.Bounds{First: p.span.First, Next: p.span.Next, Began: r.job.Created}
	if r.job.Range != nil {
		bounds.Began = r.job.Range.From
	}
	return worker.Settings{
		Partition: worker.Partition{
			Topic: r.src.Topic, Index: p.span.Partition, StateTopic: spec.Signal.StateTopic(r.m.Kafka.TopicPrefix, stateGroup(spec.ID)), SpreadBy: r.spreadBy,
		},
		Admin: r.m.Admin, Source: delivery.JobSource(spec.ID, r.job.Created), Bounds: &bounds, Limits: r.limits(bounds.Next), Decode: p.decode, Deliver: p.send, Permanent: consumererror.IsPermanent, DeadLetter: p.countRefused, Observer: p, Aside: p,
		Interval: conf.CheckpointInterval, RecordRanges: r.recorded(), DedupWindow: conf.DedupWindow, DedupMax: conf.DedupMaxRecords,
	}
}

// recorded reports whether ranges are saved before they are delivered.
func (r *run) recorded() bool { return slices.Contains(r.m.Recorded, r.job.Spec.Signal) }

// limits bounds ranges so that all workers together hold about a second's worth of the rate, because a pause waits for them. Nothing at or
// past before is read.
func (r *run) limits(before int64) worker.Limits {
	records, bytes := int64(jobRangeRecords), int64(jobRangeBytes)
	workers := int64(r.m.Workers)
	if rate := r.job.Spec.RecordsPerSecond; rate > 0 {
		records = min(records, max(1, rate/workers))
	}
	if rate := r.job.Spec.BytesPerSecond; rate > 0 {
		bytes = min(bytes, max(1, rate/workers))
	}
	return worker.Limits{Records: int(records), Bytes: func() int { return int(bytes) }, Fill: true, Before: before}
}

func (p *part) decode(k *kgo.Record) delivery.Record {
	it, id := p.r.src.Read(context.Background(), k)
	it.Deduplicated = id != delivery.RecordID{} && p.r.m.DedupWindow > 0
	return delivery.Record{Offset: k.Offset, Time: k.Timestamp, ID: id, Payload: it}
}

// send passes on the selected items of a range.
func (p *part) send(ctx context.Context, bounds delivery.Bounds, records []delivery.Record) error {
	if len(records) == 0 {
		if session, ok := delivery.From(ctx); ok { // Before the pipeline's components, so that their states don't wait for it.
			if _, err := delivery.Join(session, countsID, p.newTally); err != nil {
				return err
			}
		}
		return p.r.src.Entry.Consume(ctx, nil)
	}
	var n replay.Counts
	var batches []*pipeline.Batch
	byRecord := delivery.Of(ctx).Session.ByRecord()
	badTenants := int64(0)
	for _, rec := range records {
		it := rec.Payload.(*source.Item)
		switch {
		case it.Skip:
			n.Filtered++
			continue
		case it.Err != nil:
			n.Undecodable++
			continue
		}
		n.Outside += int64(it.Counted.Left)
		if it.Record.BadTenant && it.Counted.Kept > 0 {
			badTenants++
		}
		if it.Counted.Kept == 0 {
			n.Filtered++
			continue
		}
		n.Records++
		n.Bytes += int64(len(it.Kafka.Value))
		n.Items += int64(it.Counted.Kept)
		if byRecord {
			batches = append(batches, it.Alone(it.Counted.Left == 0))
		} else {
			batches = it.Into(batches, true)
		}
	}
	if err := p.r.wait(ctx, n.Records, n.Bytes); err != nil {
		return err
	}
	began := time.Now()
	of := delivery.Of(ctx)
	of.Outcome = &delivery.Outcome{}
	for i, b := range batches {
		of.At = b.At()
		if p.r.recorded() {
			of.Part = &delivery.RangePart{Bounds: bounds, Index: i}
		}
		if err := b.Send(of.In(ctx), p.r.src.Entry); err != nil {
			return err
		}
	}
	n.RefusedItems = min(n.Items, of.Outcome.Refused(delivery.UnitItem)) // A sink may count more: it splits items, or there are several.
	n.Items -= n.RefusedItems
	n.RefusedFor = refusedFor(of.Outcome)
	p.count(&n)
	p.countBadTenants(ctx, badTenants)
	return p.r.worked(ctx, time.Since(began))
}

// refusedFor returns an outcome's refusals as the API shows them.
func refusedFor(o *delivery.Outcome) map[string]int64 {
	var all map[string]int64
	for _, r := range o.Refusals() {
		if all == nil {
			all = map[string]int64{}
		}
		all[r.By+": "+r.Reason] += r.Count
	}
	return all
}

// count adds the results of a range.
func (p *part) count(n *replay.Counts) {
	p.mu.Lock()
	p.counts.Add(n)
	p.mu.Unlock()
	t := p.r.m.Metrics
	signal := attribute.String("signal", string(p.r.job.Spec.Signal))
	add := func(to metric.Int64Counter, n int64, outcome string) {
		if n != 0 {
			to.Add(context.Background(), n, metric.WithAttributes(signal, attribute.String("outcome", outcome)))
		}
	}
	records, items := t.ReceiverKafkaReplayJobRecords, t.ReceiverKafkaReplayJobItems
	add(records, n.Records, "delivered")
	add(records, n.Filtered, "filtered")
	add(records, n.Duplicates, "duplicate")
	add(records, n.Undecodable, "undecodable")
	add(records, n.Refused, "refused")
	add(records, n.Lost, "lost")
	add(items, n.Items, "delivered")
	add(items, n.RefusedItems, "refused")
	add(items, n.Outside, "filtered")
}

// countBadTenants counts records with an invalid tenant name, which were delivered for the default tenant.
func (p *part) countBadTenants(ctx context.Context, n int64) {
	if n > 0 {
		p.r.m.Metrics.ReceiverKafkaReplayChangedRecords.Add(ctx, n, metric.WithAttributes(attribute.String("signal", string(p.r.job.Spec.Signal)),
			attribute.String("group", "jobs"), attribute.String("reason", "tenant")))
	}
}

func (p *part) counted() replay.Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// countRefused only counts: the record is still where the job read it.
func (p *part) countRefused(_ context.Context, _ delivery.Record, reason error) error {
	p.count(&replay.Counts{Refused: 1})
	p.r.m.Telemetry.Logger.Warn("a record of a job was refused permanently", zap.String("job", p.r.job.Spec.ID), zap.Error(reason))
	return nil
}

var _ delivery.Aside = (*part)(nil)

// Keep stores nothing: the records are still where the job read them, and the items count as refused.
func (p *part) Keep(_ context.Context, l delivery.Letter) error {
	p.r.m.Telemetry.Logger.Warn("Items of a job are not delivered: the store refuses them", zap.String("job", p.r.job.Spec.ID), zap.String("exporter", l.By),
		zap.String("tenant", l.Tenant), zap.String("reason", l.Reason), zap.String("cause", l.Cause))
	return nil
}

// Waiting returns tenants with undelivered records in the partition.
func (p *part) Waiting(ctx context.Context) []string {
	return worker.Waiting(ctx, p.r.m.Admin, p.r.src.Topic, p.span.Partition, p.next.Load(), p.span.Next)
}

var _ delivery.Observer = (*part)(nil)

func (p *part) Restored(offset int64, fresh bool) {
	p.next.Store(offset)
	p.r.m.Telemetry.Logger.Info("replaying a partition", zap.String("job", p.r.job.Spec.ID), zap.Int32("partition", p.span.Partition), zap.Int64("offset", offset), zap.Bool("fresh", fresh))
}

func (p *part) Delivered(b delivery.Bounds, _ time.Time, _, duplicates int) {
	p.next.Store(b.Next)
	p.count(&replay.Counts{Duplicates: int64(duplicates)})
	p.mu.Lock()
	slot := p.slot
	p.mu.Unlock()
	slot.Moved()
	p.r.retries("")
}

func (p *part) Lost(b delivery.Bounds) {
	p.next.Store(b.Next)
	p.count(&replay.Counts{Lost: b.Next - b.First})
}

func (p *part) Cut(c delivery.Cut) {
	p.count(&replay.Counts{Lost: max(0, c.Next-c.First)})
	p.r.m.Telemetry.Logger.Error("The journal lost records of a job's range", zap.String("job", p.r.job.Spec.ID), zap.Int32("partition", p.span.Partition),
		zap.Int64("first", c.First), zap.Int64("next", c.Next))
}

func (p *part) Missing(next int64, why error) {
	p.r.m.Telemetry.Logger.Error("A job's checkpoint is missing; the job resumes at an older one, or at the beginning of its range", zap.String("job", p.r.job.Spec.ID),
		zap.Int32("partition", p.span.Partition), zap.Int64("offset", next), zap.Error(why))
}

func (p *part) Checkpointed(int64, int, time.Duration) {
	p.r.m.Metrics.ReceiverKafkaReplayCheckpoints.Add(context.Background(), 1, metric.WithAttributes(attribute.String("signal", string(p.r.job.Spec.Signal)), attribute.String("group", "jobs")))
}

func (p *part) Unclaimed([]string) {}

func (p *part) DeadLettered(int64, error) {}

func (p *part) Failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	p.r.retries(fmt.Sprintf("partition %d is retried: %v", p.span.Partition, err))
	p.r.m.Telemetry.Logger.Warn("a delivery failed: the job restarts the partition from its checkpoint", zap.String("job", p.r.job.Spec.ID), zap.Int32("partition", p.span.Partition), zap.Error(err))
}
