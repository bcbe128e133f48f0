// Package attempts lets an exporter say what becomes of its attempts to send: to the follower that the batch comes from, in the
// component's status, and where there is no follower in the log.
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

// every is how long an outage lasts before its first line, and from one line to the next.
const every = time.Minute

const key = "sink"

// Attempts follows one exporter. It is safe for concurrent use.
type Attempts struct {
	id     string
	log    *zap.Logger
	status *condition.Set // of nobody before Start
	watch  *outage.Watch
}

// New returns the Attempts of the exporter that set is for, and set with a log that is silent about single retries: they are at level
// debug.
func New(set exporter.Settings) (*Attempts, exporter.Settings) {
	a := &Attempts{id: set.ID.String(), log: set.Logger, status: new(condition.Set), watch: outage.New(every, every)}
	set.Logger = calm.Retries(set.Logger)
	return a, set
}

// Start lets a report to host, and then calls start.
func (a *Attempts) Start(start component.StartFunc) component.StartFunc {
	return func(ctx context.Context, host component.Host) error {
		a.status = condition.New(host)
		return start.Start(ctx, host)
	}
}

// Push notes what becomes of each push.
func Push[D any](a *Attempts, push func(context.Context, D) error) func(context.Context, D) error {
	return func(ctx context.Context, batch D) error { return a.Made(ctx, push(ctx, batch)) }
}

// Made notes what became of an attempt, and returns err. Errors that are permanent come from a sink that answers.
func (a *Attempts) Made(ctx context.Context, err error) error {
	if ctx.Err() != nil && err != nil { // The caller gave it up: that says nothing about the sink.
		return err
	}
	now := time.Now()
	if err == nil || consumererror.IsPermanent(err) {
		heard := delivery.Of(ctx).Attempted(a.id, nil)
		if o, told := a.watch.Worked(now); !o.Since.IsZero() {
			a.status.Good(key)
			if told && !heard {
				a.log.Error("The sink answers again", zap.Duration("away", o.Lasted.Round(time.Second)))
			}
		}
		return err
	}
	a.watch.Failed(now, err)
	if o, bad := a.watch.Now(now, outage.Grace); bad {
		a.status.Bad(key, fmt.Sprintf("%s can't send: %v", a.id, o.Cause))
	}
	heard := delivery.Of(ctx).Attempted(a.id, err)
	if o, due := a.watch.Due(now); due && !heard {
		a.log.Error("The sink has not answered for "+journal.Ago(o.Lasted)+". New data waits in the queue, if there is one; check the "+
			"sink, the network and the key endpoint", zap.Duration("away", o.Lasted.Round(time.Second)), zap.Error(o.Cause))
	}
	return err
}
