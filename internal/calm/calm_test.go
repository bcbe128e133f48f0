package calm_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/calm"
)

func TestRetriesAreDebugLines(t *testing.T) {
	for _, level := range []zapcore.Level{zap.InfoLevel, zap.DebugLevel} {
		core, logs := observer.New(level)
		log := calm.Retries(zap.New(core)).With(zap.String("k", "v"))
		log.Info("Exporting failed. Will retry the request after interval.")
		log.Info("Something else")
		var lines []string
		for _, e := range logs.All() {
			lines = append(lines, e.Level.String()+" "+e.Message)
			assert.Equal(t, "v", e.ContextMap()["k"])
		}
		want := []string{"info Something else"}
		if level == zap.DebugLevel {
			want = []string{"debug Exporting failed. Will retry the request after interval.", "info Something else"}
		}
		assert.Equal(t, want, lines)
	}
}
