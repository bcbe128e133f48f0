// Package audit writes to the audit log who did what through the receiver's APIs.
package audit

import "go.uber.org/zap"

// Write records that by did action to what, and the result.
func Write(log *zap.Logger, what, action, by string, err error, more ...zap.Field) {
	fields := append([]zap.Field{zap.String("action", action), zap.String("by", by), zap.Bool("done", err == nil)}, more...)
	if err != nil {
		fields = append(fields, zap.Error(err))
	}
	log.Named("audit").Info(what, fields...)
}

// Job records that by did action to a job.
func Job(log *zap.Logger, action, id, by string, err error, more ...zap.Field) {
	Write(log, "replay job", action, by, err, append([]zap.Field{zap.String("job", id)}, more...)...)
}
