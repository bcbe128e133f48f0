package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/plan"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

// MakeConfigured creates those jobs of the configuration that do not exist yet, and returns the ones that it could not create.
func (s *Server) MakeConfigured(ctx context.Context, log *joblog.Log, specs []replay.Spec) (left []replay.Spec) {
	for _, spec := range specs {
		known := false
		log.Read(func(b *replay.Board) { known = b.Job(spec.ID) != nil })
		if known {
			continue
		}
		if spec.Signal != "" && s.Entries.Of(spec.Signal) == nil { // Its pipeline has not started yet.
			left = append(left, spec)
			continue
		}
		job, problems, err := s.Planner.Prepare(ctx, spec, "configuration")
		var invalid *plan.InvalidError
		switch {
		case err != nil && !errors.As(err, &invalid):
			left = append(left, spec)
			continue
		case err != nil:
			job = &replay.Job{Spec: spec, Created: time.Now().UTC(), By: "configuration"}
			job.Status = replay.Status{Phase: replay.Failed, Reason: err.Error()}
		case len(problems) > 0 && spec.Force:
			job.Warnings = problems
		case len(problems) > 0:
			job.Status = replay.Status{Phase: replay.Failed, Reason: strings.Join(problems, "; ")}
		}
		if err := s.add(ctx, log, job); err != nil {
			left = append(left, spec)
		}
	}
	return left
}

// add creates a job unless its id is taken.
func (s *Server) add(ctx context.Context, log *joblog.Log, job *replay.Job) error {
	taken, open, own := false, 0, 0
	log.Read(func(b *replay.Board) {
		taken = b.Job(job.Spec.ID) != nil
		for _, other := range b.Jobs() {
			if !other.Status.Phase.Ended() {
				open++
				if job.Tenant != "" && other.Tenant == job.Tenant {
					own++
				}
			}
		}
	})
	var err error
	switch {
	case taken:
		err = errors.New("id: a job with this id exists already")
	case open >= maxOpen:
		err = errTooMany
	case own >= maxOpenOfTenant:
		err = errTooManyOwn
	default:
		job.History = []replay.Step{{At: job.Created, By: job.By, What: "create"}}
		err = log.Append(ctx, replay.Entry{ID: job.Spec.ID, At: job.Created, By: job.By, Job: job})
	}
	s.audit("create", job.Spec.ID, job.By, err, zap.Any("spec", job.Spec), zap.String("reason", job.Status.Reason))
	return err
}
