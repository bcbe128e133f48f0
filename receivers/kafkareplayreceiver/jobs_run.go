package kafkareplayreceiver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pace"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/partition"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/selection"
)

const (
	jobRangeRecords = 1000
	jobRangeBytes   = 1 << 20
	lookEvery       = time.Second
)

// run is a job while this instance runs it.
type run struct {
	j       *jobs
	job     replay.Job
	head    head
	topic   string
	records selection.Records
	items   *selection.Items
	parts   []*part
	cancel  context.CancelFunc
	quit    chan struct{} // closed when it is to end
	done    chan struct{} // closed when nothing of it works any more

	mu       sync.Mutex
	phase    replay.Phase // guarded by mu
	reason   string       // guarded by mu
	replaced []string     // guarded by mu
	started  time.Time    // guarded by mu
	ended    time.Time    // guarded by mu
	overAt   time.Time    // guarded by mu
	ending   bool         // a user or the shutdown ends it; guarded by mu
	perRec   *pace.Bucket // guarded by mu
	perByte  *pace.Bucket // guarded by mu
	yield    pace.Yield   // guarded by mu
	yielding string       // guarded by mu
	rate     [3]float64   // records, bytes and offsets a second; guarded by mu

	reported   replay.Phase // of the leader's goroutine
	reportedAt time.Time    // of the leader's goroutine
}

// part is one partition of a run.
type part struct {
	r    *run
	span replay.Span
	next atomic.Int64

	mu     sync.Mutex
	worker *delivery.Worker // guarded by mu; nil but at work
	asked  bool             // to stop; guarded by mu
	counts replay.Counts    // guarded by mu
}

func newRun(j *jobs, job replay.Job) *run {
	r := &run{
		j: j, job: job, head: j.headOf(job.Spec.Signal), topic: j.sourceTopic(&job.Spec), quit: make(chan struct{}), done: make(chan struct{}),
		phase: replay.Waiting, replaced: job.Status.Replaced, started: job.Status.Started,
	}
	r.records = recordsOf(&job, j.cfg.Kafka.TopicPrefix)
	known := map[int32]replay.Progress{}
	for _, p := range job.Status.Partitions {
		known[p.Partition] = p
	}
	for _, s := range job.Spans {
		p := &part{r: r, span: s, counts: known[s.Partition].Counts}
		p.next.Store(max(s.First, known[s.Partition].Next))
		r.parts = append(r.parts, p)
	}
	return r
}

// recordsOf is what a job selects among records.
func recordsOf(job *replay.Job, prefix string) selection.Records {
	s := selection.Records{Tenants: job.Spec.Tenants, Keys: job.Spec.Keys, Headers: job.Spec.Headers}
	if job.Range != nil {
		s.From, s.To = job.Range.ReadFrom, job.Range.ReadTo
	}
	if job.Spec.Source == replay.DeadLetter {
		s.Topic = job.Spec.Signal.Topic(prefix)
	}
	return s
}

// itemsOf is what a job selects in records.
func (j *jobs) itemsOf(job *replay.Job) (*selection.Items, error) {
	s := selection.ItemSettings{Condition: job.Spec.Condition}
	if job.Range != nil && job.Range.Event {
		s.Within = job.Range.Contains
	}
	if job.Spec.Mark {
		s.Mark = job.Spec.ID
	}
	return selection.NewItems(job.Spec.Signal, s, j.set)
}

func (j *jobs) sourceTopic(s *replay.Spec) string {
	if s.Source == replay.DeadLetter {
		return journal.DeadLetterTopic(j.cfg.Kafka.TopicPrefix)
	}
	return s.Signal.Topic(j.cfg.Kafka.TopicPrefix)
}

func (r *run) begin(ctx context.Context) {
	ctx, r.cancel = context.WithCancel(ctx)
	go func() {
		defer close(r.done)
		defer r.cancel()
		r.conclude(r.work(ctx))
	}()
}

// errLater says that the job can't go on now.
var errLater = errors.New("later")

// conclude keeps how it went: what is not an end leaves the phase, and the leader begins again.
func (r *run) conclude(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rate, r.yielding, r.overAt = [3]float64{}, "", time.Now()
	switch {
	case err == nil && !r.ending:
		r.phase, r.reason, r.ended = replay.Done, "", time.Now().UTC()
	case r.ending:
		r.phase, r.reason = replay.Paused, ""
	case errors.Is(err, errLater), errors.Is(err, context.Canceled), errors.Is(err, delivery.ErrFenced):
		r.phase, r.reason = replay.Waiting, err.Error()
	default:
		r.phase, r.reason, r.ended = replay.Failed, err.Error(), time.Now().UTC()
	}
}

// over says whether nothing of it works any more, and the pause before it may begin again has passed.
func (r *run) over() bool {
	select {
	case <-r.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.phase != replay.Waiting || time.Since(r.overAt) >= retryEvery
	default:
		return false
	}
}

// end stops it between two ranges, or after grace in the middle of one, and waits for that.
func (r *run) end(grace time.Duration) {
	r.mu.Lock()
	if !r.ending {
		r.ending = true
		close(r.quit)
	}
	r.mu.Unlock()
	for _, p := range r.parts {
		p.stop()
	}
	timer := time.AfterFunc(grace, r.cancel)
	defer timer.Stop()
	<-r.done
}

func (r *run) move(phase replay.Phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase, r.reason = phase, ""
	if r.started.IsZero() {
		r.started = time.Now().UTC()
	}
}

func (r *run) work(ctx context.Context) (err error) {
	if r.items, err = r.j.itemsOf(&r.job); err != nil {
		return err
	}
	if r.job.Spec.Replace != nil && r.replaced == nil {
		r.move(replay.Replacing)
		done, err := r.replace(ctx)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.replaced = done
		r.mu.Unlock()
		// A restart must not delete what was replayed: this is on record before anything is.
		log, err := r.j.ready()
		if err != nil {
			return fmt.Errorf("%w: %w", errLater, err)
		}
		status := r.status()
		if err := log.Append(ctx, replay.Entry{ID: r.job.Spec.ID, At: time.Now().UTC(), Status: &status}); err != nil {
			return fmt.Errorf("%w: %w", errLater, err)
		}
	}
	prepare, cancel := context.WithTimeout(ctx, askTimeout)
	_, err = cluster.EnsureState(prepare, r.j.asking, r.j.cfg.Kafka.TopicPrefix, r.job.Spec.Signal, stateGroup(r.job.Spec.ID))
	cancel()
	if err != nil {
		return fmt.Errorf("%w: %w", errLater, err)
	}
	r.move(replay.Running)
	now := time.Now()
	r.mu.Lock()
	r.perRec, r.perByte = pace.NewBucket(r.job.Spec.RecordsPerSecond, now), pace.NewBucket(r.job.Spec.BytesPerSecond, now)
	r.mu.Unlock()
	looking, stopLooking := context.WithCancel(ctx)
	defer stopLooking()
	var looks, parts sync.WaitGroup
	looks.Go(func() { r.look(looking) })
	errs := make([]error, len(r.parts))
	for i, p := range r.parts {
		parts.Go(func() { errs[i] = p.run(ctx) })
	}
	parts.Wait()
	stopLooking()
	looks.Wait()
	return errors.Join(errs...)
}

// look measures the rate, and looks whether live groups lag.
func (r *run) look(ctx context.Context) {
	yields := r.job.Spec.Yield == nil || *r.job.Spec.Yield
	prefix := r.job.Spec.Signal.Group(r.j.cfg.Kafka.TopicPrefix, "")
	last, at := r.sums(), time.Now()
	for (clock{}).Wait(ctx, lookEvery) == nil {
		current, now := r.sums(), time.Now()
		r.mu.Lock()
		for i := range current {
			r.rate[i] += 0.3 * (float64(current[i]-last[i])/now.Sub(at).Seconds() - r.rate[i])
		}
		r.mu.Unlock()
		last, at = current, now
		if !yields {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, askTimeout)
		group, lag, err := partition.MostLagging(ask, r.j.asking, prefix)
		cancel()
		if err != nil {
			continue // Whoever can't be asked is not waited for.
		}
		r.mu.Lock()
		behind := lag > r.j.conf.LiveLag
		r.yield.Look(behind)
		r.yielding = ""
		if r.yield.Share() < 1 {
			r.yielding = fmt.Sprintf("%s, %d records behind; share %.2f", group, lag, r.yield.Share())
		}
		r.mu.Unlock()
	}
}

// sums returns how many records, bytes and offsets are behind.
func (r *run) sums() (n [3]int64) {
	for _, p := range r.parts {
		c := p.counted()
		n[0] += c.Records
		n[1] += c.Bytes
		n[2] += p.next.Load() - p.span.First
	}
	return n
}

// wait keeps the rate before n records go.
func (r *run) wait(ctx context.Context, n, bytes int64) error {
	r.mu.Lock()
	now := time.Now()
	d := max(r.perRec.Take(n, now), r.perByte.Take(bytes, now))
	r.mu.Unlock()
	return rest(ctx, d)
}

// worked gives way after a range.
func (r *run) worked(ctx context.Context, d time.Duration) error {
	r.mu.Lock()
	pause := r.yield.Pause(d)
	r.mu.Unlock()
	return rest(ctx, pause)
}

func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return clock{}.Wait(ctx, d)
}

// status is how far it is.
func (r *run) status() replay.Status {
	s := replay.Status{Instance: r.j.instance}
	for _, p := range r.parts {
		c := p.counted()
		s.Counts.Add(&c)
		s.Partitions = append(s.Partitions, replay.Progress{Partition: p.span.Partition, First: p.span.First, Next: p.next.Load(), End: p.span.Next, Counts: c})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Phase, s.Reason, s.Replaced, s.Started, s.Ended = r.phase, r.reason, r.replaced, r.started, r.ended
	s.RecordsPerSecond, s.BytesPerSecond, s.Yielding = r.rate[0], r.rate[1], r.yielding
	s.OffsetsPerSecond = r.rate[2]
	return s
}

func (p *part) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.worker != nil && !p.asked {
		p.worker.Stop()
	}
	p.asked = true
}

// run delivers the partition, when there is room for one more worker.
func (p *part) run(ctx context.Context) error {
	r := p.r
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.quit:
		return nil
	case r.j.room <- struct{}{}:
		defer func() { <-r.j.room }()
	}
	source, err := partition.NewSource(r.j.asking, r.topic, p.span.Partition, r.limits(), p.decode)
	if err != nil {
		return err
	}
	defer source.Close()
	store := partition.NewStore(r.j.asking, r.job.Spec.Signal.StateTopic(r.j.cfg.Kafka.TopicPrefix, stateGroup(r.job.Spec.ID)), p.span.Partition)
	defer store.Close()
	end := &partition.Clock{}
	bounded := &partition.Bounded{Source: source, First: p.span.First, Next: p.span.Next, Began: r.job.Created, Clock: end, Done: p.stop}
	if r.job.Range != nil {
		bounded.Began = r.job.Range.From
	}
	worker := delivery.NewWorker(delivery.WorkerSettings{
		Label: fmt.Sprintf("%s-%d@%s", r.topic, p.span.Partition, r.job.Spec.ID), Source: bounded, Store: store, Clock: end, Observer: p,
		Deliver: p.send, Permanent: consumererror.IsPermanent, Bury: p.bury, Interval: r.j.conf.CheckpointInterval,
		DedupWindow: r.j.conf.DedupWindow, DedupMax: r.j.conf.DedupMaxRecords, Nonce: rand.Uint64(),
	})
	p.mu.Lock()
	if p.asked {
		p.mu.Unlock()
		return nil
	}
	p.worker = worker
	p.mu.Unlock()
	err = worker.Run(ctx)
	p.mu.Lock()
	p.worker = nil
	p.mu.Unlock()
	return err
}

// limits bounds ranges such that all workers together have about a second's worth of the rate in hand: pausing waits for
// no more.
func (r *run) limits() partition.Limits {
	records, bytes := int64(jobRangeRecords), int64(jobRangeBytes)
	workers := int64(r.j.conf.Workers)
	if rate := r.job.Spec.RecordsPerSecond; rate > 0 {
		records = min(records, max(1, rate/workers))
	}
	if rate := r.job.Spec.BytesPerSecond; rate > 0 {
		bytes = min(bytes, max(1, rate/workers))
	}
	return partition.Limits{Records: int(records), Bytes: func() int { return int(bytes) }}
}

// jobItem is a record on its way to the pipeline.
type jobItem struct {
	item
	skip    bool // not selected
	counted selection.Counted
}

func (p *part) decode(k *kgo.Record) delivery.Record {
	out := delivery.Record{Offset: k.Offset, Time: k.Timestamp}
	it := &jobItem{item: item{kafka: k}}
	out.Payload = it
	it.record, it.err = journal.FromKafka(k)
	if it.skip = !p.r.records.Match(&it.record, k.Timestamp, func(name string) (string, bool) { return header(k, name) }); it.skip || it.err != nil {
		return out
	}
	var fine bool
	if it.request, fine, it.err = p.r.head.decode(k.Value); it.err != nil {
		return out
	}
	if fine {
		out.ID = delivery.RecordID(it.record.ID())
	}
	it.counted = p.r.items.Apply(context.Background(), it.request)
	return out
}

func header(k *kgo.Record, name string) (string, bool) {
	for _, h := range k.Headers {
		if h.Key == name {
			return string(h.Value), true
		}
	}
	return "", false
}

// send passes on what is selected of a range.
func (p *part) send(ctx context.Context, _ delivery.Bounds, records []delivery.Record) error {
	if len(records) == 0 {
		if session, ok := delivery.From(ctx); ok { // Before the pipeline's components, so that their states don't wait for it.
			if _, err := delivery.Join(session, countsID, p.newTally); err != nil {
				return err
			}
		}
		return p.r.head.consume(ctx, nil)
	}
	var n replay.Counts
	var batches []*batch
	for _, rec := range records {
		it := rec.Payload.(*jobItem)
		switch {
		case it.skip:
			n.Filtered++
			continue
		case it.err != nil:
			n.Undecodable++
			continue
		}
		n.Outside += int64(it.counted.Left)
		if it.counted.Kept == 0 {
			n.Filtered++
			continue
		}
		n.Records++
		n.Bytes += int64(len(it.kafka.Value))
		n.Items += int64(it.counted.Kept)
		batches = it.into(batches, true)
	}
	if err := p.r.wait(ctx, n.Records, n.Bytes); err != nil {
		return err
	}
	began := time.Now()
	for _, b := range batches {
		if err := p.r.head.consume(asSender(ctx, b.of), b.requests); err != nil {
			return err
		}
	}
	p.count(&n)
	return p.r.worked(ctx, time.Since(began))
}

// count adds what became of a range.
func (p *part) count(n *replay.Counts) {
	p.mu.Lock()
	p.counts.Add(n)
	p.mu.Unlock()
	t := p.r.j.telemetry
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
	add(items, n.Outside, "filtered")
}

func (p *part) counted() replay.Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// countsID is the tally's in the checkpoint.
const countsID = "kafka_replay/counts"

// tally keeps a partition's counts in its checkpoint. Refused records are not in it: a worker that leaves one out begins
// again from the checkpoint before.
type tally struct{ p *part }

var _ delivery.Stateful = (*tally)(nil)

// newTally begins to count at 0, or where Restore says.
func (p *part) newTally() *tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = replay.Counts{Refused: p.counts.Refused}
	return &tally{p}
}

func (t *tally) Restore(r io.Reader) error {
	var c replay.Counts
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return err
	}
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	c.Refused = t.p.counts.Refused
	t.p.counts = c
	return nil
}

func (t *tally) Snapshot(w io.Writer) error {
	c := t.p.counted()
	return json.NewEncoder(w).Encode(&c)
}

func (*tally) Advance(_ time.Time, _ bool, low time.Time) (bool, time.Time) { return false, low }
func (*tally) Flush(context.Context) error                                  { return nil }
func (*tally) Adopt()                                                       {}

// bury only counts: the record is still where the job read it.
func (p *part) bury(_ context.Context, _ delivery.Record, reason error) error {
	p.count(&replay.Counts{Refused: 1})
	p.r.j.set.Logger.Warn("a record of a job was refused for good", zap.String("job", p.r.job.Spec.ID), zap.Error(reason))
	return nil
}

var _ delivery.Observer = (*part)(nil)

func (p *part) Restored(offset int64, fresh bool) {
	p.next.Store(offset)
	p.r.j.set.Logger.Info("a partition is replayed", zap.String("job", p.r.job.Spec.ID), zap.Int32("partition", p.span.Partition), zap.Int64("offset", offset), zap.Bool("fresh", fresh))
}

func (p *part) Delivered(b delivery.Bounds, _ time.Time, _, duplicates int) {
	p.next.Store(b.Next)
	p.count(&replay.Counts{Duplicates: int64(duplicates)})
	p.settled()
}

// settled forgets the last error: it goes on.
func (p *part) settled() {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	p.r.reason = ""
}

func (p *part) Lost(b delivery.Bounds) {
	p.next.Store(b.Next)
	p.count(&replay.Counts{Lost: b.Next - b.First})
}

func (p *part) Checkpointed(int64, int, time.Duration) {
	p.r.j.telemetry.ReceiverKafkaReplayCheckpoints.Add(context.Background(), 1, metric.WithAttributes(attribute.String("signal", string(p.r.job.Spec.Signal)), attribute.String("group", "jobs")))
}

func (p *part) Unclaimed([]string) {}

func (p *part) Buried(int64, error) {}

func (p *part) Failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	p.r.mu.Lock()
	p.r.reason = fmt.Sprintf("partition %d tries again: %v", p.span.Partition, err)
	p.r.mu.Unlock()
	p.r.j.set.Logger.Warn("a job begins a partition again from its checkpoint", zap.String("job", p.r.job.Spec.ID), zap.Int32("partition", p.span.Partition), zap.Error(err))
}
