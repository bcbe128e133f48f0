// Package calm removes repeated lines from a log, if another line reports the same once a minute. At level debug all lines stay.
package calm

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// retryLine is exporterhelper's line for each failed attempt
// (https://github.com/open-telemetry/opentelemetry-collector/blob/v0.159.0/exporter/exporterhelper/internal/retry_sender.go).
const retryLine = "Exporting failed. Will retry the request after interval."

// Retries returns log with exporterhelper's line about each retry at level debug.
func Retries(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return retries{c} }))
}

type retries struct{ zapcore.Core }

func (r retries) With(fields []zapcore.Field) zapcore.Core { return retries{r.Core.With(fields)} }

func (r retries) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Message == retryLine && e.Level > zapcore.DebugLevel {
		e.Level = zapcore.DebugLevel
		if !r.Enabled(e.Level) {
			return ce
		}
	}
	return r.Core.Check(e, ce)
}
