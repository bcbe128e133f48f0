// Package run runs jobs: the leader has a run for each wanted job, with a worker for each of its partitions.
package run

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/audit"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/metadata"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/slots"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

const (
	reportEvery   = 5 * time.Second
	reconcileTick = time.Second
)

// Settings configure a runner. All fields are required.
type Settings struct {
	Kafka   cluster.Config
	Admin   *kgo.Client
	Entries *pipeline.Entries
	// Targets are the stores in which jobs replace.
	Targets target.Stores
	// Workers is how many partitions are read at once; LiveLag is the lag of a live group, in records, above which jobs slow down.
	Workers int
	LiveLag int64
	// CheckpointInterval, DedupWindow and DedupMaxRecords are the workers' settings.
	CheckpointInterval, DedupWindow time.Duration
	DedupMaxRecords                 int
	// Recorded are the signals whose ranges are saved before they are delivered.
	Recorded []journal.Signal
	// Instance is this collector's name in the status of jobs.
	Instance  string
	Telemetry component.TelemetrySettings
	Metrics   *metadata.TelemetryBuilder
}

// Runner runs jobs while this instance leads. It is safe for concurrent use.
type Runner struct {
	Settings
	slots *slots.Slots // one for each worker

	mu   sync.Mutex
	runs map[string]*run // guarded by mu
}

// New returns a runner without runs.
func New(s Settings) *Runner {
	return &Runner{Settings: s, slots: slots.New(s.Workers), runs: map[string]*run{}}
}

// Running returns the progress of a job that this instance runs.
func (m *Runner) Running(id string) (status replay.Status, here bool) {
	m.mu.Lock()
	r := m.runs[id]
	m.mu.Unlock()
	if r == nil {
		return status, false
	}
	return r.status(), true
}

// Lead runs the wanted jobs until ctx ends. It calls each before it reads what is wanted.
func (m *Runner) Lead(ctx context.Context, log *joblog.Log, each func(context.Context)) {
	ticker := time.NewTicker(reconcileTick)
	defer ticker.Stop()
	defer m.endAll(log)
	for {
		changed := log.Changed()
		each(ctx)
		m.reconcile(ctx, log)
		if err := log.Compact(ctx); err != nil && ctx.Err() == nil {
			m.Telemetry.Logger.Debug("the log of jobs was not compacted", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ticker.C:
		}
	}
}

// reconcile starts and ends runs as wanted.
func (m *Runner) reconcile(ctx context.Context, log *joblog.Log) {
	var all []replay.Job
	log.Read(func(b *replay.Board) {
		for _, job := range b.Jobs() {
			all = append(all, *job)
		}
	})
	for i := range all {
		job := &all[i]
		id := job.Spec.ID
		m.mu.Lock()
		r := m.runs[id]
		m.mu.Unlock()
		switch job.Want {
		case replay.Run, "":
			switch {
			case r == nil && !job.Status.Phase.Ended() && m.Entries.Of(job.Spec.Signal) != nil:
				m.begin(ctx, log, *job)
			case r != nil && r.over():
				m.conclude(ctx, log, r)
			case r != nil:
				m.report(ctx, log, r)
			}
		case replay.Pause:
			if r != nil {
				r.end(worker.HandOver)
				m.conclude(ctx, log, r)
			} else if job.Status.Phase != replay.Paused && !job.Status.Phase.Ended() {
				m.move(ctx, log, job, replay.Paused, "")
			}
		case replay.Cancel, replay.Delete:
			if r != nil {
				r.end(0)
				m.forget(r)
			}
			if !job.Status.Phase.Ended() {
				m.move(ctx, log, job, replay.Cancelled, "")
			}
			if job.Want == replay.Delete && m.dropState(ctx, job) == nil {
				_ = log.Append(ctx, replay.Entry{ID: id, At: time.Now().UTC(), Gone: true}) // repeated with the next pass
			}
		}
	}
}

// begin runs a job.
func (m *Runner) begin(ctx context.Context, log *joblog.Log, job replay.Job) {
	r := newRun(m, log, job)
	m.mu.Lock()
	m.runs[job.Spec.ID] = r
	m.mu.Unlock()
	r.begin(context.WithoutCancel(ctx)) // ended properly by end
	m.report(ctx, log, r)
}

// report writes a run's progress: at once when its phase has changed, else from time to time.
func (m *Runner) report(ctx context.Context, log *joblog.Log, r *run) {
	status := r.status()
	now := time.Now()
	if status.Phase == r.reported && now.Sub(r.reportedAt) < reportEvery {
		return
	}
	r.reported, r.reportedAt = status.Phase, now
	if err := log.Append(ctx, replay.Entry{ID: r.job.Spec.ID, At: now.UTC(), Status: &status}); err != nil && ctx.Err() == nil {
		m.Telemetry.Logger.Warn("the progress of a job was not saved", zap.String("job", r.job.Spec.ID), zap.Error(err))
		r.reported = ""
	}
}

// conclude writes the result of a run. The run ends if that succeeded.
func (m *Runner) conclude(ctx context.Context, log *joblog.Log, r *run) {
	status := r.status()
	if err := log.Append(ctx, replay.Entry{ID: r.job.Spec.ID, At: time.Now().UTC(), Status: &status}); err != nil {
		return
	}
	m.forget(r)
	if status.Phase.Ended() {
		audit.Job(m.Telemetry.Logger, string(status.Phase), r.job.Spec.ID, m.Instance, nil, zap.Any("counts", status.Counts), zap.String("reason", status.Reason))
		_ = m.dropState(ctx, &r.job) // the deletion of the job retries it
	}
}

func (m *Runner) forget(r *run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.runs, r.job.Spec.ID)
	m.slots.Forget(r.job.Spec.ID)
}

// move writes a new phase of a job that does not run.
func (m *Runner) move(ctx context.Context, log *joblog.Log, job *replay.Job, phase replay.Phase, reason string) {
	status := job.Status
	status.Phase, status.Reason, status.Instance = phase, reason, m.Instance
	status.RecordsPerSecond, status.BytesPerSecond, status.Yielding = 0, 0, ""
	if phase.Ended() {
		status.Ended = time.Now().UTC()
	}
	if log.Append(ctx, replay.Entry{ID: job.Spec.ID, At: time.Now().UTC(), Status: &status}) != nil {
		return // repeated with the next pass
	}
	if phase.Ended() {
		audit.Job(m.Telemetry.Logger, string(phase), job.Spec.ID, m.Instance, nil, zap.Any("counts", status.Counts))
		_ = m.dropState(ctx, job)
	}
}

// stateGroup is the group in the name of a job's state topic.
func stateGroup(id string) string { return "replay-" + id }

func (m *Runner) dropState(ctx context.Context, job *replay.Job) error {
	ask, cancel := context.WithTimeout(ctx, worker.AskTimeout)
	defer cancel()
	return joblog.DeleteTopic(ask, m.Admin, job.Spec.Signal.StateTopic(m.Kafka.TopicPrefix, stateGroup(job.Spec.ID)))
}

// endAll ends all runs at their present position; another leader continues from their checkpoints.
func (m *Runner) endAll(log *joblog.Log) {
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.runs))
	clear(m.runs)
	m.mu.Unlock()
	for _, r := range all {
		go r.end(worker.HandOver)
	}
	ctx, cancel := context.WithTimeout(context.Background(), worker.AskTimeout)
	defer cancel()
	for _, r := range all {
		<-r.done
		status := r.status()
		if status.Phase == replay.Paused { // No user asked for that.
			status.Phase = replay.Waiting
		}
		_ = log.Append(ctx, replay.Entry{ID: r.job.Spec.ID, At: time.Now().UTC(), Status: &status}) // for display only: the checkpoints count
	}
}
