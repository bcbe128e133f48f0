// Package follow is a member of a sink's group: it delivers the partitions that the group assigns to it, each with a worker.
package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/condition"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/outage"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/downstream"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/group"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/metadata"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

const (
	firstRetry = 50 * time.Millisecond
	// commitEvery is the interval at which the group's offsets are set to those of the checkpoints. They serve only lag and retention.
	commitEvery = time.Second
	// heartbeatEvery bounds how late a member learns that partitions move, however long its session is.
	heartbeatEvery = 3 * time.Second
)

// follower is one group's member for one signal. The group assigns partitions; each gets a worker.
type follower struct {
	id         component.ID
	cfg        *Config
	cluster    cluster.Config
	entry      pipeline.Entry
	topic      string
	host       component.Host
	set        component.TelemetrySettings
	telemetry  *metadata.TelemetryBuilder
	labels     []attribute.KeyValue
	roster     *Roster
	downstream *downstream.Checker

	// Set by Start.
	status     *condition.Set
	sink       *sink
	bestEffort *bestEffort   // nil: on_full is hold
	kafka      *outage.Watch // whether brokers answer

	quitting sync.Mutex         // held by quit, so that only one runs at a time
	stop     context.CancelFunc // guarded by quitting; nil when nothing runs
	wg       sync.WaitGroup

	// Set once, by connect.
	admin       *kgo.Client // for requests to brokers; the workers' clients copy its options
	group       *kgo.Client // assigns partitions; fetches nothing
	deadLetters *cluster.Producer
	// spreadBy are the attributes that decide a stream's partition.
	spreadBy []string

	mu       sync.Mutex
	assigned map[int32]*assignment // guarded by mu
	ends     kadm.ListedOffsets    // guarded by mu; ends of the topic's partitions
	asked    time.Time             // guarded by mu; when ends was requested
	inFlight atomic.Int64          // records
	gaps     gaps

	books func() // removes the follower from the ledger; nil: there is none. Set by Start
}

// Settings configure a follower. All fields are required.
type Settings struct {
	Receiver   receiver.Settings
	Kafka      cluster.Config
	Config     *Config
	Entry      pipeline.Entry
	Roster     *Roster // of the receiver
	Downstream *downstream.Checker
}

// New returns a follower that is not started.
func New(s Settings) (component.Component, error) {
	set, signal := s.Receiver, s.Entry.Signal()
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &follower{
		id: set.ID, cfg: s.Config, cluster: s.Kafka, entry: s.Entry, roster: s.Roster, downstream: s.Downstream, topic: signal.Topic(s.Kafka.TopicPrefix), set: set.TelemetrySettings, telemetry: telemetry,
		labels: []attribute.KeyValue{attribute.String("signal", string(signal)), attribute.String("group", s.Config.Group)}, assigned: map[int32]*assignment{},
	}, nil
}

// Start joins the group in the background, because Kafka or the journal's topics may become available later.
func (f *follower) Start(ctx context.Context, host component.Host) error {
	f.host = host
	if err := f.downstream.Check(host, f.id, string(f.entry.Signal()), "follow::allow_behind", f.cfg.AllowBehind, f.set.Logger); err != nil {
		return err
	}
	opts, err := f.cluster.Options(ctx)
	if err != nil {
		return err
	}
	if f.admin, err = kgo.NewClient(append(opts, kgo.MetadataMinAge(worker.MetadataAge))...); err != nil {
		return err
	}
	if f.bestEffort, err = newBestEffort(f.cfg, host); err != nil {
		return err
	}
	f.watch(host)
	if err := f.register(); err != nil {
		return err
	}
	f.quitting.Lock()
	defer f.quitting.Unlock()
	f.roster.add(f, host)
	f.openBooks(host)
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	f.wg.Go(func() {
		if f.connect(ctx) {
			f.keep(ctx)
		}
	})
	return nil
}

// watch creates what reports problems.
func (f *follower) watch(host component.Host) {
	every := f.cfg.OutageAfter
	f.status = condition.New(host)
	f.kafka = outage.New(every, every)
	f.sink = &sink{group: f.cfg.Group, topic: f.topic, signal: f.entry.Signal(), every: every, log: f.set.Logger, status: f.status, away: outage.New(every, every)}
	f.sink.limited, _ = cluster.FindLimited(host)
}

// connect retries until the group is joined; false: ctx has ended.
func (f *follower) connect(ctx context.Context) bool {
	for pause := firstRetry; ; pause = min(2*pause, worker.RetryEvery) {
		err := f.join(ctx)
		if err == nil {
			f.checkKafka(nil)
			f.status.Report()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		f.checkKafka(err) // The processor that creates the topics may start after this receiver: that is no outage yet.
		if worker.Wait(ctx, pause) != nil {
			return false
		}
	}
}

// join creates the state topic and joins the group.
func (f *follower) join(ctx context.Context) error {
	ask, cancel := context.WithTimeout(ctx, worker.AskTimeout)
	defer cancel()
	prefix, signal := f.cluster.TopicPrefix, f.entry.Signal()
	layout, err := cluster.EnsureState(ask, f.admin, prefix, signal, f.cfg.Group)
	if err != nil {
		return err
	}
	deadLetters, err := cluster.NewProducer(f.admin.Opts(), cluster.DeadLetterBytes, cluster.DeadLetterBytes, nil)
	if err != nil {
		return err
	}
	opts := append(slices.Clip(f.admin.Opts()), kgo.ConsumerGroup(f.groupName()), kgo.ConsumeTopics(f.topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(f.cfg.SessionTimeout),
		kgo.HeartbeatInterval(min(f.cfg.SessionTimeout/4, heartbeatEvery)), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { f.assign(ctx, p[f.topic]) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, p map[string][]int32) {
			f.revoke(ctx, p[f.topic], worker.HandOver)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { f.revoke(ctx, p[f.topic], 0) }))
	if f.cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(f.cfg.InstanceID))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadLetters, f.spreadBy = deadLetters, worker.SpreadBy(prefix, f.topic, signal, layout)
	if f.group, err = kgo.NewClient(opts...); err != nil {
		deadLetters.Close()
		return fmt.Errorf("join the group: %w", err)
	}
	f.group.PauseFetchTopics(f.topic) // The workers fetch, because their checkpoints contain the offsets to resume at.
	member := f.group
	f.wg.Go(func() {
		group.Drain(ctx, member, func(err error) {
			f.set.Logger.Debug("a request of the group has failed", zap.String("group", f.groupName()), zap.Error(err))
		})
	})
	return nil
}

func (f *follower) assign(ctx context.Context, partitions []int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range partitions {
		if ctx.Err() == nil && f.assigned[p] == nil {
			f.assigned[p] = f.begin(ctx, p)
		}
	}
}

// revoke ends the workers of partitions; grace is for a last checkpoint.
func (f *follower) revoke(ctx context.Context, partitions []int32, grace time.Duration) {
	var ending []*assignment
	f.mu.Lock()
	for _, p := range partitions {
		if a := f.assigned[p]; a != nil {
			ending = append(ending, a)
			delete(f.assigned, p)
		}
	}
	f.mu.Unlock()
	end(ending, (*worker.Worker).Stop, grace)
	if ctx.Err() == nil { // else the component stops and no longer has a status
		f.leaveGap(partitions)
	}
}

// end asks all assignments to end, and cancels those that take longer than grace.
func end(all []*assignment, how func(*worker.Worker), grace time.Duration) {
	for _, a := range all {
		a.end(how, grace)
	}
	for _, a := range all {
		<-a.done
	}
}

// keep commits the checkpoints' offsets for the group and refreshes the ends of its partitions, until ctx ends.
func (f *follower) keep(ctx context.Context) {
	ticker := time.NewTicker(commitEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		committed, refreshed := f.commitOnce(ctx), f.refreshEnds(ctx)
		if ctx.Err() != nil {
			return
		}
		if err := errors.Join(committed, refreshed); err != nil {
			f.set.Logger.Debug("the group's offsets were not committed, or the journal's end is unknown", zap.Error(err))
		}
		f.checkKafka(refreshed)
		f.look(time.Now())
	}
}

// look reports problems of the sink, and discards records if on_full is best_effort and the journal is full.
func (f *follower) look(now time.Time) {
	oldest, idle := f.oldestSend()
	if idle {
		f.sink.forget(now)
	}
	f.sink.look(now, oldest)
	if f.bestEffort != nil {
		f.bestEffort.look(f, now)
	}
}

// oldestSend returns when the longest current delivery began, zero if there is none; idle: no partition is assigned.
func (f *follower) oldestSend() (oldest time.Time, idle bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.assigned {
		if began, _ := a.sends.first(); !began.IsZero() && (oldest.IsZero() || began.Before(oldest)) {
			oldest = began
		}
	}
	return oldest, len(f.assigned) == 0
}

func (f *follower) commitOnce(ctx context.Context) error {
	offsets := map[int32]kgo.EpochOffset{}
	f.mu.Lock()
	for p, a := range f.assigned {
		if next := a.saved.Load(); next >= 0 && next != a.committed {
			offsets[p] = kgo.EpochOffset{Epoch: -1, Offset: next}
			a.committed = next
		}
	}
	f.mu.Unlock()
	if len(offsets) == 0 {
		return nil
	}
	return f.commitOffsets(ctx, offsets)
}

// commitOffsets commits as a member: brokers refuse the commit of a former member.
func (f *follower) commitOffsets(ctx context.Context, offsets map[int32]kgo.EpochOffset) error {
	return group.Commit(ctx, f.group, f.topic, offsets)
}

// rangeBytes is a partition's share of the memory for ranges.
func (f *follower) rangeBytes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	share := f.cfg.Range.MaxTotal / max(1, len(f.assigned)) / f.maxInFlight()
	return min(f.cfg.Range.MaxBytes, share)
}

// maxInFlight is how many ranges of a partition may be in flight: one for metrics, because the samples of a series must stay in order.
func (f *follower) maxInFlight() int {
	if f.entry.Signal() == journal.Metrics {
		return 1
	}
	return f.cfg.InFlight
}

// Shutdown delivers everything that the journal holds now, if that is quick, and leaves the group (a static member stays).
func (f *follower) Shutdown(context.Context) error {
	f.roster.remove(f)
	f.quit(f.roster.ending.grace(time.Now()))
	f.closeBooks()
	if f.admin != nil {
		f.admin.Close()
	}
	f.telemetry.Shutdown()
	return nil
}

// quit stops following; workers have grace to finish their ranges. It may be repeated, and called without Start.
func (f *follower) quit(grace time.Duration) {
	f.quitting.Lock()
	defer f.quitting.Unlock()
	if f.stop == nil {
		return
	}
	f.mu.Lock()
	var all []*assignment
	for _, a := range f.assigned {
		all = append(all, a)
	}
	member := f.group
	f.mu.Unlock()
	end(all, (*worker.Worker).Finish, grace)
	if member != nil {
		ctx, cancel := context.WithTimeout(context.Background(), worker.AskTimeout)
		defer cancel()
		_ = f.commitOnce(ctx) // for lag only
	}
	f.stop()
	f.wg.Wait()
	if f.group != nil {
		f.group.Close()
		f.deadLetters.Close()
	}
	f.stop = nil
}

func (f *follower) groupName() string {
	return f.entry.Signal().Group(f.cluster.TopicPrefix, f.cfg.Group)
}
