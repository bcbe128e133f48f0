package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/source"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/offsets"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pace"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

const (
	jobRangeRecords = 1000
	// No single record of a job is urgent: larger ranges cost the stores fewer transactions.
	jobRangeBytes = 4 << 20
	lookEvery     = time.Second
)

// run is a job while this instance runs it.
type run struct {
	m   *Runner
	log *joblog.Log
	job replay.Job
	// src is what it reads. Set before the first read.
	src *source.Source
	// spreadBy are the attributes that decide a stream's partition. Set before the parts run.
	spreadBy []string
	parts    []*part
	cancel   context.CancelFunc
	quit     chan struct{} // closed to end the run
	done     chan struct{} // closed when all its goroutines have ended

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

	reported   replay.Phase // used by the leader's goroutine only
	reportedAt time.Time    // used by the leader's goroutine only
}

func newRun(m *Runner, log *joblog.Log, job replay.Job) *run {
	r := &run{
		m: m, log: log, job: job, quit: make(chan struct{}), done: make(chan struct{}),
		phase: replay.Waiting, replaced: job.Status.Replaced, started: job.Status.Started,
	}
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

func (r *run) begin(ctx context.Context) {
	ctx, r.cancel = context.WithCancel(ctx)
	go func() {
		defer close(r.done)
		defer r.cancel()
		r.conclude(r.work(ctx))
	}()
}

// errLater says that the job can't continue now.
var errLater = errors.New("later")

// conclude stores the result: an error that is not final keeps the phase, and the leader restarts the run.
func (r *run) conclude(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rate, r.yielding, r.overAt = [3]float64{}, "", time.Now()
	switch {
	case err == nil && !r.ending:
		r.phase, r.reason, r.ended = replay.Done, r.found(), time.Now().UTC()
	case r.ending:
		r.phase, r.reason = replay.Paused, ""
	case errors.Is(err, errLater), errors.Is(err, context.Canceled), errors.Is(err, delivery.ErrFenced):
		r.phase, r.reason = replay.Waiting, err.Error()
	default:
		r.phase, r.reason, r.ended = replay.Failed, err.Error(), time.Now().UTC()
	}
}

// found explains why a job that has ended replayed nothing; empty: it has replayed something.
func (r *run) found() string {
	var sum replay.Counts
	for _, p := range r.parts {
		c := p.counted()
		sum.Add(&c)
	}
	switch {
	case sum.Records > 0 || sum.Refused > 0:
		return ""
	case sum.Lost > 0:
		return fmt.Sprintf("nothing was replayed: the journal has lost the %d records of the range", sum.Lost)
	case sum.Filtered+sum.Undecodable > 0:
		return fmt.Sprintf("nothing was replayed: the job does not select %d records of the range, and %d can't be read", sum.Filtered, sum.Undecodable)
	}
	return "nothing was replayed: the journal has no record in the range"
}

// over reports whether all its goroutines have ended, and the pause before a restart has passed.
func (r *run) over() bool {
	select {
	case <-r.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.phase != replay.Waiting || time.Since(r.overAt) >= worker.RetryEvery
	default:
		return false
	}
}

// end stops the run between two ranges, or after grace within one, and waits for that.
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

// retries sets the error that is being retried; empty: none.
func (r *run) retries(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason = reason
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
	if r.src, err = source.Of(&r.job, r.m.Kafka.TopicPrefix, r.m.Entries.Of(r.job.Spec.Signal), r.m.Telemetry); err != nil {
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
		// A restart must not delete what was replayed: the replacement is stored before the first record is delivered.
		status := r.status()
		if err := r.log.Append(ctx, replay.Entry{ID: r.job.Spec.ID, At: time.Now().UTC(), Status: &status}); err != nil {
			return fmt.Errorf("%w: %w", errLater, err)
		}
	}
	prepare, cancel := context.WithTimeout(ctx, worker.AskTimeout)
	layout, err := cluster.EnsureState(prepare, r.m.Admin, r.m.Kafka.TopicPrefix, r.job.Spec.Signal, stateGroup(r.job.Spec.ID))
	cancel()
	if err != nil {
		return fmt.Errorf("%w: %w", errLater, err)
	}
	r.spreadBy = worker.SpreadBy(r.m.Kafka.TopicPrefix, r.src.Topic, r.job.Spec.Signal, layout)
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

// look measures the rate, and checks whether live groups lag.
func (r *run) look(ctx context.Context) {
	yields := r.job.Spec.Yield == nil || *r.job.Spec.Yield
	prefix := r.job.Spec.Signal.Group(r.m.Kafka.TopicPrefix, "")
	last, at := r.sums(), time.Now()
	for worker.Wait(ctx, lookEvery) == nil {
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
		ask, cancel := context.WithTimeout(ctx, worker.AskTimeout)
		group, lag, err := offsets.MostLagging(ask, r.m.Admin, prefix)
		cancel()
		if err != nil {
			continue // Without an answer the job does not slow down.
		}
		r.mu.Lock()
		behind := lag > r.m.LiveLag
		r.yield.Look(behind)
		r.yielding = ""
		if r.yield.Share() < 1 {
			r.yielding = fmt.Sprintf("%s, %d records behind; share %.2f", group, lag, r.yield.Share())
		}
		r.mu.Unlock()
	}
}

// sums returns how many records, bytes and offsets were processed.
func (r *run) sums() (n [3]int64) {
	for _, p := range r.parts {
		c := p.counted()
		n[0] += c.Records
		n[1] += c.Bytes
		n[2] += p.next.Load() - p.span.First
	}
	return n
}

// wait waits until the rate allows n more records.
func (r *run) wait(ctx context.Context, n, bytes int64) error {
	r.mu.Lock()
	now := time.Now()
	d := max(r.perRec.Take(n, now), r.perByte.Take(bytes, now))
	r.mu.Unlock()
	return rest(ctx, d)
}

// worked pauses after a range if live groups lag.
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
	return worker.Wait(ctx, d)
}

// status returns the progress.
func (r *run) status() replay.Status {
	s := replay.Status{Instance: r.m.Instance}
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
