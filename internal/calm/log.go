package calm

import (
	"errors"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Lines of the collector and of gRPC that repeat, or that are wrong.
const (
	dropLine    = "Exporting failed. Dropping data."
	interrupted = "interrupted due to shutdown"
	lateLine    = "discarding event received after shutdown"
	connectLine = "addrConn.createTransport failed to connect to"

	keyComponent = "otelcol.component.id"
	keySignal    = "otelcol.signal"
)

// queueLines are the lines that a queue on disk logs when it starts.
var queueLines = map[string]bool{"Initializing new persistent queue": true, "Loaded queue metadata": true}

// keptLine replaces dropLine if nothing is dropped.
const keptLine = "The stop interrupted an export. The data stays in the queue on disk and is sent after the next start"

// every is the time between two lines about retries of one component.
const every = time.Minute

// Watched is implemented by errors of attempts that another component reports once a minute.
type Watched interface {
	error
	Watched()
}

// Log returns the core of a collector's log with fewer repetitions. It changes, at every level except debug:
//
//   - exporterhelper's line about each retry: one a minute for each component, and none if the error is [Watched];
//   - health_check's lines about statuses at a stop, when it has ended before the others: none;
//   - gRPC's lines about failed connections: none, because their calls fail with the same text;
//   - exporterhelper's "Dropping data" at a stop, if the queue is on disk: a line that says that the data is kept.
//
// It is safe for concurrent use. Memory: an entry for each exporter.
func Log(core zapcore.Core) zapcore.Core {
	return &log{Core: core, seen: &seen{retries: map[string]*retryState{}, onDisk: map[string]bool{}}}
}

type log struct {
	zapcore.Core
	seen      *seen
	component string // id and signal
}

// seen is shared by all logs that are derived from one.
type seen struct {
	mu      sync.Mutex
	retries map[string]*retryState // guarded by mu; by component
	onDisk  map[string]bool        // guarded by mu; components and signals whose queue is on disk
}

type retryState struct {
	at      time.Time
	leftOut int
}

func (l *log) With(fields []zapcore.Field) zapcore.Core {
	next := &log{Core: l.Core.With(fields), seen: l.seen, component: l.component}
	for _, f := range fields {
		if f.Key == keyComponent || f.Key == keySignal {
			next.component += f.String + " "
		}
	}
	return next
}

func (l *log) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if queueLines[e.Message] {
		l.seen.mu.Lock()
		l.seen.onDisk[l.component] = true
		l.seen.mu.Unlock()
	}
	if e.Level >= zapcore.InfoLevel && l.Enabled(e.Level) && (e.Message == retryLine || e.Message == lateLine || strings.HasPrefix(e.Message, dropLine) || strings.Contains(e.Message, connectLine)) {
		return ce.AddCore(e, l) // Write decides, because it sees the fields.
	}
	return l.Core.Check(e, ce)
}

// Write implements zapcore.Core. It receives only lines that Check chose.
func (l *log) Write(e zapcore.Entry, fields []zapcore.Field) error {
	switch {
	case e.Message == retryLine:
		if watched(fields) {
			return l.writeDebug(e, fields)
		}
		n, ok := l.seen.allow(l.component, e.Time)
		if !ok {
			return l.writeDebug(e, fields)
		}
		if n > 0 {
			fields = append(fields[:len(fields):len(fields)], zap.Int("lines_left_out", n))
		}
	case e.Message == lateLine, strings.Contains(e.Message, connectLine):
		return l.writeDebug(e, fields)
	case strings.HasPrefix(e.Message, dropLine) && l.seen.keeps(l.component) && stopped(fields):
		e.Message, e.Level = keptLine, zapcore.InfoLevel
		for i, f := range fields {
			if f.Key == "dropped_items" {
				fields = append([]zapcore.Field(nil), fields...)
				fields[i].Key = "items"
			}
		}
		if !l.Enabled(e.Level) {
			return nil
		}
	}
	return l.Core.Write(e, fields)
}

// writeDebug writes the line at level debug, if the log has that.
func (l *log) writeDebug(e zapcore.Entry, fields []zapcore.Field) error {
	if e.Level = zapcore.DebugLevel; !l.Enabled(e.Level) {
		return nil
	}
	return l.Core.Write(e, fields)
}

// allow reports whether component may write its line about a retry, and how many were left out before it.
func (s *seen) allow(component string, now time.Time) (leftOut int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.retries[component]
	if t == nil {
		t = &retryState{}
		s.retries[component] = t
	}
	if !t.at.IsZero() && now.Sub(t.at) < every {
		t.leftOut++
		return 0, false
	}
	leftOut, t.at, t.leftOut = t.leftOut, now, 0
	return leftOut, true
}

func (s *seen) keeps(component string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onDisk[component]
}

func errorOf(fields []zapcore.Field) error {
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			return err
		}
	}
	return nil
}

func watched(fields []zapcore.Field) bool {
	var w Watched
	return errors.As(errorOf(fields), &w)
}

func stopped(fields []zapcore.Field) bool {
	err := errorOf(fields)
	return err != nil && strings.Contains(err.Error(), interrupted)
}
