package kafkareplayreceiver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/metadata"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
)

const (
	reportEvery   = 5 * time.Second
	reconcileTick = time.Second
	// maxOpen bounds the jobs that have not ended.
	maxOpen = 100
	// targetTimeout bounds a question to a target where its configuration doesn't.
	targetTimeout = 2 * time.Minute
)

var (
	errNotReady = errors.New("Kafka, or the journal in it, is not there yet")
	errTooMany  = fmt.Errorf("%d jobs have not ended: cancel or delete some", maxOpen)
)

// shared finds the jobs of a receiver that stands in several pipelines.
type shared struct {
	mu  sync.Mutex
	all map[*Config]*jobs // guarded by mu
}

// of returns the jobs of cfg's receiver, with one more pipeline.
func (s *shared) of(cfg *Config, set receiver.Settings, h head) (receiver.Metrics, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.all[cfg]
	if j == nil {
		telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
		if err != nil {
			return nil, err
		}
		j = newJobs(cfg, set, telemetry, s)
		s.all[cfg] = j
	}
	return &jobsPipeline{j: j, head: h}, nil
}

// jobsPipeline is a pipeline that jobs can go through.
type jobsPipeline struct {
	j    *jobs
	head head
}

// Start lets jobs of the pipeline's signal run.
func (p *jobsPipeline) Start(ctx context.Context, host component.Host) error {
	return p.j.start(ctx, host, p.head)
}

// Shutdown ends all jobs, each at a checkpoint where that is cheap. They go on with the next start.
func (p *jobsPipeline) Shutdown(context.Context) error { return p.j.shutdown() }

// jobs are the replays of one receiver, whatever pipelines it stands in. Every instance knows all of them and takes wishes;
// the one that leads runs them.
type jobs struct {
	cfg       *Config
	conf      *JobsConfig
	id        component.ID
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	shared    *shared
	instance  string
	room      chan struct{} // a place for each worker

	stop context.CancelFunc
	wg   sync.WaitGroup

	// Set by start.
	asking  *kgo.Client
	targets []targetOf
	unmount []func()

	mu    sync.Mutex
	heads map[journal.Signal]head // of pipelines that were started; guarded by mu
	log   *joblog.Log             // nil until Kafka was reached; guarded by mu
	runs  map[string]*run         // of this instance; guarded by mu
	off   bool                    // shut down; guarded by mu
}

type targetOf struct {
	target.Target
	signal journal.Signal
}

func newJobs(cfg *Config, set receiver.Settings, telemetry *metadata.TelemetryBuilder, s *shared) *jobs {
	conf := cfg.Jobs.Get()
	return &jobs{
		cfg: cfg, conf: conf, id: set.ID, set: set.TelemetrySettings, telemetry: telemetry, shared: s, instance: instanceName(set),
		room: make(chan struct{}, conf.Workers), heads: map[journal.Signal]head{}, runs: map[string]*run{},
	}
}

// instanceName is how this collector is called in its own telemetry.
func instanceName(set receiver.Settings) string {
	if v, ok := set.Resource.Attributes().Get("service.instance.id"); ok {
		return v.AsString()
	}
	return set.ID.String()
}

// name tells the receivers with jobs of one cluster apart.
func (j *jobs) name() string {
	if n := j.id.Name(); n != "" {
		return strings.ReplaceAll(n, "/", "_")
	}
	return "default"
}

func (j *jobs) start(ctx context.Context, host component.Host, h head) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.heads[h.signal()] = h
	if j.stop != nil {
		return nil
	}
	opts, err := j.cfg.Kafka.Options(ctx)
	if err != nil {
		return err
	}
	for i := range j.conf.Targets {
		t := &j.conf.Targets[i]
		var client *http.Client
		if t.Type != targetOther {
			if client, err = t.HTTP.ToClient(ctx, host.GetExtensions(), j.set); err != nil {
				return fmt.Errorf("jobs::targets: %w", err)
			}
			if client.Timeout == 0 {
				client.Timeout = targetTimeout
			}
		}
		j.targets = append(j.targets, targetOf{t.store(client), t.signal()})
	}
	if j.asking, err = kgo.NewClient(append(opts, kgo.MetadataMinAge(metadataAge))...); err != nil {
		return err
	}
	if err := j.mount(host); err != nil {
		j.asking.Close()
		return err
	}
	if err := j.telemetry.RegisterReceiverKafkaReplayJobsCallback(j.observe); err != nil {
		return err
	}
	ctx, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	j.wg.Go(func() { j.work(ctx) })
	return nil
}

func (j *jobs) shutdown() error {
	j.mu.Lock()
	if j.off {
		j.mu.Unlock()
		return nil
	}
	j.off = true
	started := j.stop != nil
	j.mu.Unlock()
	j.shared.mu.Lock()
	delete(j.shared.all, j.cfg)
	j.shared.mu.Unlock()
	if started {
		for _, unmount := range j.unmount {
			unmount()
		}
		j.stop()
		j.wg.Wait()
		j.asking.Close()
	}
	j.telemetry.Shutdown()
	return nil
}

// work opens the log, which may take until there is a journal, and takes part in the election.
func (j *jobs) work(ctx context.Context) {
	var log *joblog.Log
	for pause := metadataAge; log == nil; pause = min(2*pause, retryEvery) {
		ask, cancel := context.WithTimeout(ctx, askTimeout)
		opened, err := joblog.Open(ask, j.asking, j.cfg.Kafka.TopicPrefix, journal.JobsTopic(j.cfg.Kafka.TopicPrefix, j.name()))
		cancel()
		if err == nil {
			log = opened
			break
		}
		if ctx.Err() != nil {
			return
		}
		if pause == retryEvery {
			j.set.Logger.Warn("jobs can't be read yet", zap.Error(err))
		}
		if (clock{}).Wait(ctx, pause) != nil {
			return
		}
	}
	defer log.Close()
	j.mu.Lock()
	j.log = log
	j.mu.Unlock()
	if err := log.Lead(ctx, j.cfg.Kafka.TopicPrefix+".jobs."+j.name(), j.lead); err != nil {
		j.set.Logger.Error("jobs can't be run", zap.Error(err))
	}
}

// ready returns the log.
func (j *jobs) ready() (*joblog.Log, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.log == nil || j.off {
		return nil, errNotReady
	}
	return j.log, nil
}

// signals are those of the pipelines, in order.
func (j *jobs) signals() []journal.Signal {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.heads))
}

func (j *jobs) headOf(s journal.Signal) head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.heads[s]
}

// lead makes what runs what is wanted, until ctx ends.
func (j *jobs) lead(ctx context.Context) {
	log, err := j.ready()
	if err != nil {
		return
	}
	ticker := time.NewTicker(reconcileTick)
	defer ticker.Stop()
	defer j.endAll(log)
	wanted := slices.Clone(j.conf.Run)
	for {
		changed := log.Changed()
		wanted = j.makeConfigured(ctx, log, wanted)
		j.reconcile(ctx, log)
		if err := log.Compact(ctx); err != nil && ctx.Err() == nil {
			j.set.Logger.Debug("the log of jobs was not compacted", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ticker.C:
		}
	}
}

// makeConfigured makes the jobs of the configuration that there are not yet, and returns those that it could not make.
func (j *jobs) makeConfigured(ctx context.Context, log *joblog.Log, specs []replay.Spec) (left []replay.Spec) {
	for _, s := range specs {
		known := false
		log.Read(func(b *replay.Board) { known = b.Job(s.ID) != nil })
		if known {
			continue
		}
		if s.Signal != "" && j.headOf(s.Signal) == nil { // Its pipeline has not started yet.
			left = append(left, s)
			continue
		}
		job, problems, err := j.prepare(ctx, s, "configuration")
		var invalid *invalidError
		switch {
		case err != nil && !errors.As(err, &invalid):
			left = append(left, s)
			continue
		case err != nil:
			job = &replay.Job{Spec: s, Created: time.Now().UTC(), By: "configuration"}
			job.Status = replay.Status{Phase: replay.Failed, Reason: err.Error()}
		case len(problems) > 0:
			job.Status = replay.Status{Phase: replay.Failed, Reason: strings.Join(problems, "; ")}
		}
		if err := j.add(ctx, log, job); err != nil {
			left = append(left, s)
		}
	}
	return left
}

// add makes a job, unless its id is taken.
func (j *jobs) add(ctx context.Context, log *joblog.Log, job *replay.Job) error {
	taken, open := false, 0
	log.Read(func(b *replay.Board) {
		taken = b.Job(job.Spec.ID) != nil
		for _, other := range b.Jobs() {
			if !other.Status.Phase.Ended() {
				open++
			}
		}
	})
	var err error
	switch {
	case taken:
		err = fmt.Errorf("id: there is a job %q already", job.Spec.ID)
	case open >= maxOpen:
		err = errTooMany
	default:
		job.History = []replay.Step{{At: job.Created, By: job.By, What: "create"}}
		err = log.Append(ctx, replay.Entry{ID: job.Spec.ID, At: job.Created, By: job.By, Job: job})
	}
	j.audit("create", job.Spec.ID, job.By, err, zap.Any("spec", job.Spec), zap.String("reason", job.Status.Reason))
	return err
}

// audit writes who did what to which job, and what came of it.
func (j *jobs) audit(action, id, by string, err error, more ...zap.Field) {
	fields := append([]zap.Field{zap.String("action", action), zap.String("job", id), zap.String("by", by), zap.Bool("done", err == nil)}, more...)
	if err != nil {
		fields = append(fields, zap.Error(err))
	}
	j.set.Logger.Named("audit").Info("replay job", fields...)
}

// reconcile starts and ends what is to.
func (j *jobs) reconcile(ctx context.Context, log *joblog.Log) {
	var all []replay.Job
	log.Read(func(b *replay.Board) {
		for _, job := range b.Jobs() {
			all = append(all, *job)
		}
	})
	for i := range all {
		job := &all[i]
		id := job.Spec.ID
		j.mu.Lock()
		r := j.runs[id]
		j.mu.Unlock()
		switch job.Want {
		case replay.Run, "":
			switch {
			case r == nil && !job.Status.Phase.Ended() && j.headOf(job.Spec.Signal) != nil:
				j.begin(ctx, log, *job)
			case r != nil && r.over():
				j.conclude(ctx, log, r)
			case r != nil:
				j.report(ctx, log, r)
			}
		case replay.Pause:
			if r != nil {
				r.end(handOver)
				j.conclude(ctx, log, r)
			} else if job.Status.Phase != replay.Paused && !job.Status.Phase.Ended() {
				j.move(ctx, log, job, replay.Paused, "")
			}
		case replay.Cancel, replay.Delete:
			if r != nil {
				r.end(0)
				j.forget(r)
			}
			if !job.Status.Phase.Ended() {
				j.move(ctx, log, job, replay.Cancelled, "")
			}
			if job.Want == replay.Delete && j.dropState(ctx, job) == nil {
				_ = log.Append(ctx, replay.Entry{ID: id, At: time.Now().UTC(), Gone: true}) // repeated with the next look
			}
		}
	}
}

// begin runs a job.
func (j *jobs) begin(ctx context.Context, log *joblog.Log, job replay.Job) {
	r := newRun(j, job)
	j.mu.Lock()
	j.runs[job.Spec.ID] = r
	j.mu.Unlock()
	r.begin(context.WithoutCancel(ctx)) // it ends in good order, by end
	j.report(ctx, log, r)
}

// report writes how far a run is: at once when its phase has changed, else from time to time.
func (j *jobs) report(ctx context.Context, log *joblog.Log, r *run) {
	status := r.status()
	now := time.Now()
	if status.Phase == r.reported && now.Sub(r.reportedAt) < reportEvery {
		return
	}
	r.reported, r.reportedAt = status.Phase, now
	if err := log.Append(ctx, replay.Entry{ID: r.job.Spec.ID, At: now.UTC(), Status: &status}); err != nil && ctx.Err() == nil {
		j.set.Logger.Warn("how far a job is was not written", zap.String("job", r.job.Spec.ID), zap.Error(err))
		r.reported = ""
	}
}

// conclude writes how a run ended. It ends here if that was written.
func (j *jobs) conclude(ctx context.Context, log *joblog.Log, r *run) {
	status := r.status()
	if err := log.Append(ctx, replay.Entry{ID: r.job.Spec.ID, At: time.Now().UTC(), Status: &status}); err != nil {
		return
	}
	j.forget(r)
	if status.Phase.Ended() {
		j.audit(string(status.Phase), r.job.Spec.ID, j.instance, nil, zap.Any("counts", status.Counts), zap.String("reason", status.Reason))
		_ = j.dropState(ctx, &r.job) // deletion of the job tries again
	}
}

func (j *jobs) forget(r *run) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.runs, r.job.Spec.ID)
}

// move writes a new phase of a job that does not run.
func (j *jobs) move(ctx context.Context, log *joblog.Log, job *replay.Job, phase replay.Phase, reason string) {
	status := job.Status
	status.Phase, status.Reason, status.Instance = phase, reason, j.instance
	status.RecordsPerSecond, status.BytesPerSecond, status.Yielding = 0, 0, ""
	if phase.Ended() {
		status.Ended = time.Now().UTC()
	}
	if log.Append(ctx, replay.Entry{ID: job.Spec.ID, At: time.Now().UTC(), Status: &status}) != nil {
		return // repeated with the next look
	}
	if phase.Ended() {
		j.audit(string(phase), job.Spec.ID, j.instance, nil, zap.Any("counts", status.Counts))
		_ = j.dropState(ctx, job)
	}
}

// stateGroup is how the state topic of a job is called.
func stateGroup(id string) string { return "replay-" + id }

func (j *jobs) dropState(ctx context.Context, job *replay.Job) error {
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return joblog.DeleteTopic(ask, j.asking, job.Spec.Signal.StateTopic(j.cfg.Kafka.TopicPrefix, stateGroup(job.Spec.ID)))
}

// endAll ends all runs where they are; another leader goes on from their checkpoints.
func (j *jobs) endAll(log *joblog.Log) {
	j.mu.Lock()
	all := slices.Collect(maps.Values(j.runs))
	clear(j.runs)
	j.mu.Unlock()
	for _, r := range all {
		go r.end(handOver)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	for _, r := range all {
		<-r.done
		status := r.status()
		if status.Phase == replay.Paused { // Nobody asked for that.
			status.Phase = replay.Waiting
		}
		_ = log.Append(ctx, replay.Entry{ID: r.job.Spec.ID, At: time.Now().UTC(), Status: &status}) // for show: the checkpoints count
	}
}

// observe tells how many jobs there are in each phase.
func (j *jobs) observe(_ context.Context, o metric.Int64Observer) error {
	log, err := j.ready()
	if err != nil {
		return nil
	}
	count := map[replay.Phase]int64{}
	log.Read(func(b *replay.Board) {
		for _, job := range b.Jobs() {
			count[job.Status.Phase]++
		}
	})
	for _, phase := range replay.Phases {
		o.Observe(count[phase], metric.WithAttributes(attribute.String("phase", string(phase))))
	}
	return nil
}
