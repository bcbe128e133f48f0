// Package handover gives log records to a pipeline that may refuse them for the time being.
package handover

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
)

const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// Logs hands logs to next, again and again while it refuses them for the time being. It returns the error of a refusal for good, or ctx's when it ended
// before logs were taken.
func Logs(ctx context.Context, next consumer.Logs, logs plog.Logs) error {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := next.ConsumeLogs(ctx, logs)
		if err == nil || consumererror.IsPermanent(err) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
