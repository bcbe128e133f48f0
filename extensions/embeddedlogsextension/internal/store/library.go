package store

import (
	"bytes"
	"flag"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"
	"go.uber.org/zap"
)

// prepared guards what the engine keeps for the whole process: flags, and where it writes its log.
var prepared sync.Once

// engineLog is where the engine's messages go: the logger of the store that was opened last.
var engineLog atomic.Pointer[zap.Logger]

// prepare sets the engine up, once in a process. The engine reads Go's global flags, and panics unless they were parsed; nothing else here
// has any there, so parsing none is enough. memory bounds its caches, and is a base for what the pipes of one query may hold. The first store
// decides it.
func prepare(memory int64, log *zap.Logger) {
	engineLog.Store(log)
	prepared.Do(func() {
		if !flag.Parsed() {
			_ = flag.CommandLine.Parse(nil) // no arguments, no error
		}
		for name, value := range map[string]string{"memory.allowedBytes": strconv.FormatInt(memory, 10), "loggerLevel": "WARN", "loggerDisableTimestamps": "true"} {
			if flag.Lookup(name) != nil {
				_ = flag.Set(name, value)
			}
		}
		logger.SetOutputForTests(engineWriter{}) // There is no other way to move its messages from stderr.
	})
}

// engineWriter takes lines of the engine's log: level, place and message with tabs between.
type engineWriter struct{}

func (engineWriter) Write(line []byte) (int, error) {
	log := engineLog.Load()
	level, rest, _ := bytes.Cut(line, []byte("\t"))
	place, text, _ := bytes.Cut(rest, []byte("\t"))
	fields := []zap.Field{zap.ByteString("place", place), zap.ByteString("message", bytes.TrimSpace(text))}
	switch string(level) {
	case "fatal", "panic":
		log.Error("The storage engine ends the process", fields...)
	case "error":
		log.Error("The storage engine reports an error", fields...)
	default:
		log.Warn("The storage engine warns", fields...)
	}
	return len(line), nil
}
