// Package plan prepares requested jobs: it finds the range in the journal, asks the stores whether they accept it, and estimates a job's
// effect without running it.
package plan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/source"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/offsets"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
)

// InvalidError is an error that the caller must correct.
type InvalidError struct{ error }

// Unwrap returns the cause.
func (e *InvalidError) Unwrap() error { return e.error }

// Invalid wraps err in an InvalidError.
func Invalid(err error) error { return &InvalidError{err} }

// errCondition contains no text of the condition, unlike the parser's error.
var errCondition = errors.New("condition: must be an OTTL condition on the data points, log records or spans of this signal; the log says what is wrong")

// Settings configure a planner. All fields are required.
type Settings struct {
	// Prefix is the journal's topic prefix.
	Prefix  string
	Admin   *kgo.Client
	Entries *pipeline.Entries
	// Windows are the sizes of rollup windows in the metrics pipeline.
	Windows   []time.Duration
	Targets   target.Stores
	Telemetry component.TelemetrySettings
}

// Planner prepares requested jobs. It is safe for concurrent use.
type Planner struct{ Settings }

// New returns a planner.
func New(s Settings) *Planner { return &Planner{s} }

// Prepare makes a job of a request. problems are the results of the preflight check: reasons not to run it.
func (p *Planner) Prepare(ctx context.Context, s replay.Spec, by string) (job *replay.Job, problems []string, err error) {
	if s.Signal == "" {
		switch all := p.Entries.Signals(); {
		case len(all) == 1:
			s.Signal = all[0]
		case p.Entries.Of(journal.Metrics) != nil:
			s.Signal = journal.Metrics
		default:
			return nil, nil, Invalid(fmt.Errorf("signal: must be set, because this receiver is in pipelines for %v", all))
		}
	}
	if err := s.Validate(); err != nil {
		return nil, nil, Invalid(err)
	}
	if p.Entries.Of(s.Signal) == nil {
		return nil, nil, Invalid(fmt.Errorf("signal: this receiver is in no pipeline for %s, only for %v", s.Signal, p.Entries.Signals()))
	}
	at := time.Now()
	if s.ID == "" {
		s.ID = fmt.Sprintf("%s-%04x", at.UTC().Format("20060102-150405"), rand.N(1<<16))
	}
	job = &replay.Job{Spec: s, Created: at.UTC(), By: by, Spans: []replay.Span{}, Want: replay.Run, Status: replay.Status{Phase: replay.Waiting}}
	if len(s.Offsets) == 0 {
		var windows []time.Duration
		if s.Signal == journal.Metrics {
			windows = p.Windows
		}
		r, err := s.Resolve(at, windows)
		if err != nil {
			return nil, nil, Invalid(err)
		}
		job.Range = &r
	}
	if _, err := source.Of(job, p.Prefix, p.Entries.Of(s.Signal), p.Telemetry); err != nil {
		p.Telemetry.Logger.Info("refused the condition of a replay job", zap.Error(err))
		return nil, nil, Invalid(errCondition)
	}
	if err := p.place(ctx, job, &problems); err != nil {
		return nil, nil, err
	}
	if err := p.ask(ctx, job, at, &problems); err != nil {
		return nil, nil, err
	}
	return job, problems, nil
}

// place finds the offsets of the range, and reports what retention has deleted of it.
func (p *Planner) place(ctx context.Context, job *replay.Job, problems *[]string) error {
	topic := source.Topic(p.Prefix, &job.Spec)
	if job.Range == nil {
		have, err := offsets.Extent(ctx, p.Admin, topic)
		if err != nil {
			return err
		}
		for _, o := range job.Spec.Offsets {
			i := slices.IndexFunc(have, func(s offsets.Span) bool { return s.Partition == o.Partition })
			if i < 0 {
				return Invalid(fmt.Errorf("offsets: %s has no partition %d", topic, o.Partition))
			}
			if o.Next > have[i].End {
				return Invalid(fmt.Errorf("offsets: partition %d of %s ends at %d", o.Partition, topic, have[i].End))
			}
			if o.First < have[i].Start {
				*problems = append(*problems, fmt.Sprintf("retention: partition %d of %s now begins at offset %d", o.Partition, topic, have[i].Start))
			}
			job.Spans = append(job.Spans, o)
		}
		return nil
	}
	spans, err := offsets.Spans(ctx, p.Admin, topic, job.Range.ReadFrom, job.Range.ReadTo)
	if err != nil {
		return err
	}
	for _, s := range spans {
		if s.Trimmed && (s.Oldest.IsZero() || s.Oldest.After(job.Range.From)) {
			begins := "has no records left"
			if !s.Oldest.IsZero() {
				begins = "begins at " + s.Oldest.Format(time.RFC3339)
			}
			*problems = append(*problems, fmt.Sprintf("retention: partition %d of %s %s, but the range begins at %s", s.Partition, topic, begins, job.Range.From.Format(time.RFC3339)))
		}
		if s.Next > s.First {
			job.Spans = append(job.Spans, replay.Span{Partition: s.Partition, First: s.First, Next: s.Next})
		}
	}
	return nil
}

// ask checks whether the targets accept the range, and allow it to be replaced.
func (p *Planner) ask(ctx context.Context, job *replay.Job, at time.Time, problems *[]string) error {
	replaceable := false
	for _, t := range p.Targets.For(job.Spec.Signal) {
		oldest, why, err := t.Oldest(ctx, at)
		switch {
		case err != nil:
			*problems = append(*problems, fmt.Sprintf("target %s: can't find out how far back it accepts data: %v", t.Name(), err))
		case job.Range == nil:
		case job.Range.From.Before(oldest):
			*problems = append(*problems, fmt.Sprintf("target %s accepts nothing older than %s (%s); the range begins at %s",
				t.Name(), oldest.UTC().Format(time.RFC3339), why, job.Range.From.Format(time.RFC3339)))
		}
		if job.Spec.Replace == nil {
			continue
		}
		if err := t.CanReplace(ctx, job.Range.From, job.Range.To); err != nil {
			return Invalid(fmt.Errorf("replace: %w", err))
		}
		replaceable = true
	}
	if job.Spec.Replace != nil && !replaceable {
		return Invalid(errors.New("replace: no target for metrics is configured (jobs::targets)"))
	}
	return nil
}
