// Package attempts lets an exporter report the results of its attempts to send: to the follower that delivers the batch, in the component's status,
// and, without a follower, in the log.
package attempts

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/calm"
	"github.com/penstockhq/penstock/internal/condition"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/outage"
)

// every is how long an outage lasts before its first line, and the interval of further lines.
const every = time.Minute

const key = "sink"

// Attempts observes one exporter. It is safe for concurrent use.
type Attempts struct {
	id     string
	log    *zap.Logger
	status *condition.Set // without component before Start
	watch  *outage.Watch
}

// New returns the Attempts of the exporter of set, and set with a log in which single retries are at level debug.
func New(set exporter.Settings) (*Attempts, exporter.Settings) {
	a := &Attempts{id: set.ID.String(), log: set.Logger, status: new(condition.Set), watch: outage.New(every, every)}
	set.Logger = calm.Retries(set.Logger)
	return a, set
}

// Start makes a report to host, and then calls start.
func (a *Attempts) Start(start component.StartFunc) component.StartFunc {
	return func(ctx context.Context, host component.Host) error {
		a.status = condition.New(host)
		return start.Start(ctx, host)
	}
}

// Push records the result of each push.
func Push[D any](a *Attempts, push func(context.Context, D) error) func(context.Context, D) error {
	return func(ctx context.Context, batch D) error { return a.Made(ctx, push(ctx, batch)) }
}

// Made records the result of an attempt, and returns err. A permanent error means that the sink answers.
func (a *Attempts) Made(ctx context.Context, err error) error {
	if ctx.Err() != nil && err != nil { // The caller canceled it: that says nothing about the sink.
		return err
	}
	now := time.Now()
	if err == nil || consumererror.IsPermanent(err) {
		followerReports := delivery.Of(ctx).Attempted(a.id, nil)
		if o, reported := a.watch.Worked(now); !o.Since.IsZero() {
			a.status.Good(key)
			if reported && !followerReports {
				a.log.Error("The sink answers again", zap.Duration("away", o.Lasted.Round(time.Second)))
			}
		}
		return err
	}
	a.watch.Failed(now, err)
	if o, bad := a.watch.Now(now, outage.Grace); bad {
		a.status.Bad(key, fmt.Sprintf("%s can't send: %v", a.id, o.Cause))
	}
	followerReports := delivery.Of(ctx).Attempted(a.id, err)
	if o, due := a.watch.Due(now); due && !followerReports {
		a.log.Error("The sink has not answered for "+journal.Ago(o.Lasted)+". New data waits in the queue, if there is one; check the "+
			"sink, the network and the key endpoint", zap.Duration("away", o.Lasted.Round(time.Second)), zap.Error(o.Cause))
	}
	return err
}
