// Package handover passes log records to a pipeline that may refuse them temporarily.
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

// Logs passes logs to next, and retries while next refuses them temporarily. It returns the error of a permanent refusal, or ctx's if it ended
// before logs were accepted.
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
