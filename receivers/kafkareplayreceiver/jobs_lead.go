package kafkareplayreceiver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

const (
	reportEvery   = 5 * time.Second
	reconcileTick = time.Second
)

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
		case len(problems) > 0 && s.Force:
			job.Warnings = problems
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
		err = errors.New("id: there is a job of this name already")
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
	j.room.Forget(r.job.Spec.ID)
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

// fence is that of deletions: only the leader deletes.
func (j *jobs) fence(ctx context.Context) (time.Time, error) {
	log, err := j.ready()
	if err != nil {
		return time.Time{}, err
	}
	return log.Confirm(ctx)
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
