package logfilesreceiver

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/tail"
)

// eventNames are the values of the attribute `event`.
var eventNames = map[tail.Kind]string{
	tail.Started: "started", tail.Resumed: "resumed", tail.Copied: "copied", tail.Alike: "alike", tail.Found: "found", tail.Truncated: "truncated",
	tail.Held: "held",
}

// report counts and logs what happened to a file.
func (r *logFiles) report(e tail.Event) {
	ctx, log := context.Background(), r.set.Logger.With(zap.String("path", e.Path))
	if name, ok := eventNames[e.Kind]; ok {
		r.telemetry.ReceiverLogFilesEvents.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(attribute.String("event", name))))
	}
	switch e.Kind {
	case tail.Started, tail.Resumed:
		log.Debug("reading a file", zap.Int64("offset", e.File.Offset))
	case tail.Copied:
		log.Info("a copy of a known file: reading continues at the position of the original", zap.String("original", e.Other), zap.Int64("offset", e.File.Offset))
	case tail.Alike:
		log.Info("a file begins with the whole text read from another file: it is read as a separate file", zap.String("other", e.Other))
	case tail.Found:
		log.Info("a file was renamed while no collector ran: it is read to its end", zap.Int64("offset", e.File.Offset))
	case tail.Truncated:
		log.Info("a file was truncated or replaced: it is read from its beginning")
		r.flushAll(e.File)
	case tail.Forgotten:
		log.Debug("a file is gone")
	case tail.Blind:
		r.telemetry.ReceiverLogFilesReadErrors.Add(ctx, 1)
		r.set.Logger.Warn("directories can't be listed: new files are not found until they can be", zap.Error(e.Err))
	case tail.Unmatched:
		log.Info("no pattern matches a file any more: the receiver stops reading it", zap.Int64("delivered", e.Offset))
	case tail.Lost:
		r.telemetry.ReceiverLogFilesLostFiles.Add(ctx, 1)
		r.telemetry.ReceiverLogFilesLostSize.Add(ctx, e.Bytes)
		log.Warn("a file is gone, or was truncated: the lines that were written to it after it was last read are lost",
			zap.Int64("delivered", e.Offset), zap.Int64("lost bytes, at least", e.Bytes))
	case tail.Skipped:
		r.telemetry.ReceiverLogFilesSkippedFiles.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", string(e.Reason)))))
		if e.Reason == tail.Duplicate {
			log.Info("a file is already read under another path", zap.String("other", e.Other))
			return
		}
		log.Warn("a file matches and is not read", zap.String("reason", string(e.Reason)), zap.Error(e.Err))
	}
}

// flushAll delivers the held-back lines of a file that is read from its beginning again.
func (r *logFiles) flushAll(f *tail.File) {
	if f == nil {
		return
	}
	src := r.source(f)
	b := newBatch(r)
	src.streams.Flush(true, b.add)
	if b.records > 0 && !b.consume(r.polling) {
		r.failed.Store(true)
	}
}
