package calm_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/calm"
)

const retry = "Exporting failed. Will retry the request after interval."

type watchedError struct{ error }

func (watchedError) Watched() {}

// log returns a calm log, the logger of its component otlp_grpc, and the written lines.
func log(level zapcore.Level) (*zap.Logger, *zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(level)
	root := zap.New(core, zap.WrapCore(calm.Log))
	return root, root.With(zap.String("otelcol.component.id", "otlp_grpc"), zap.String("otelcol.signal", "logs")), logs
}

func lines(logs *observer.ObservedLogs) (all []string) {
	for _, e := range logs.TakeAll() {
		all = append(all, e.Level.String()+" "+e.Message)
	}
	return all
}

func TestRetriesAreOneLineAMinuteForEachComponent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root, otlp, logs := log(zap.InfoLevel)
		other := root.With(zap.String("otelcol.component.id", "otlp_http"))
		for range 13 { // two minutes
			otlp.Info(retry, zap.Error(errors.New("down")))
			other.Info(retry, zap.Error(errors.New("down")))
			time.Sleep(10 * time.Second)
		}
		all := logs.All()
		assert.Len(t, all, 6, "at 0, 60 and 120 s")
		assert.EqualValues(t, 5, all[5].ContextMap()["lines_left_out"])
	})
}

func TestWhatIsWatchedAndWhatItsCallsSayIsQuiet(t *testing.T) {
	for _, level := range []zapcore.Level{zap.InfoLevel, zap.DebugLevel} {
		root, otlp, logs := log(level)
		otlp.Info(retry, zap.Error(fmt.Errorf("attempt: %w", watchedError{errors.New("down")})))
		const connect = `[core] [Channel #1 SubChannel #2]grpc: addrConn.createTransport failed to connect to {Addr: "127.0.0.1:1"}. Err: connection error`
		root.Warn(connect, zap.Bool("grpc_log", true))
		const late = "discarding event received after shutdown"
		otlp.Info(late)
		root.Warn("[transport] something else", zap.Bool("grpc_log", true))
		want := []string{"warn [transport] something else"}
		if level == zap.DebugLevel {
			want = []string{"debug " + retry, "debug " + connect, "debug " + late, "warn [transport] something else"}
		}
		assert.Equal(t, want, lines(logs))
	}
}

func TestAStopThatDropsNothingSaysSo(t *testing.T) {
	_, otlp, logs := log(zap.InfoLevel)
	const drop = "Exporting failed. Dropping data."
	stop := zap.Error(errors.New("interrupted due to shutdown: rpc error"))
	otlp.Error(drop, stop, zap.Int("dropped_items", 3))
	assert.Equal(t, []string{"error " + drop}, lines(logs), "a queue in memory loses it")
	otlp.Info("Initializing new persistent queue")
	lines(logs)
	otlp.Error(drop, stop, zap.Int("dropped_items", 3))
	written := logs.All()
	assert.Equal(t, int64(3), written[0].ContextMap()["items"])
	assert.Equal(t, []string{"info The stop interrupted an export. The data stays in the queue on disk and is sent after the next start"}, lines(logs))
	otlp.Error(drop, zap.Error(errors.New("not retryable error: bad request")))
	assert.Equal(t, []string{"error " + drop}, lines(logs), "that is dropped")
}
