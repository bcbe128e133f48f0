package attempts_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/attempts"
	"github.com/penstockhq/penstock/internal/delivery"
)

type host struct {
	component.Host
	said []string
}

func (h *host) Report(e *componentstatus.Event) {
	text := e.Status().String()
	if e.Err() != nil {
		text += ": " + e.Err().Error()
	}
	h.said = append(h.said, text)
}

// begin returns the Attempts of an exporter called loki.
func begin(level zap.AtomicLevel) (*attempts.Attempts, *host, *observer.ObservedLogs, *zap.Logger) {
	core, logs := observer.New(level)
	set := exporter.Settings{ID: component.MustNewID("loki"), TelemetrySettings: componenttest.NewNopTelemetrySettings()}
	set.Logger = zap.New(core)
	a, quiet := attempts.New(set)
	h := &host{Host: componenttest.NewNopHost()}
	_ = a.Start(nil)(context.Background(), h)
	return a, h, logs, quiet.Logger
}

func TestASinkThatIsAwayIsOneLineAMinuteAndOneStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, h, logs, quiet := begin(zap.NewAtomicLevelAt(zap.InfoLevel))
		down := errors.New("connection refused")
		for range 36 { // three minutes, an attempt in each five seconds
			assert.Equal(t, down, a.Made(t.Context(), down))
			quiet.Info("Exporting failed. Will retry the request after interval.")
			time.Sleep(5 * time.Second)
		}
		assert.NoError(t, a.Made(t.Context(), nil))
		assert.NoError(t, a.Made(t.Context(), nil))
		var lines []string
		for _, e := range logs.All() {
			assert.Equal(t, zap.ErrorLevel, e.Level)
			text, _, _ := strings.Cut(e.Message, ".")
			lines = append(lines, text)
		}
		assert.Equal(t, []string{"The sink has not answered for 60 s", "The sink has not answered for 2 m", "The sink answers again"}, lines)
		assert.Equal(t, []string{"StatusRecoverableError: loki can't send: connection refused", "StatusOK"}, h.said)
	})
}

// With a follower the follower writes the lines: it knows what room the journal has.
func TestAFollowerIsToldOfEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, logs, _ := begin(zap.NewAtomicLevelAt(zap.InfoLevel))
		var heard []error
		ctx := delivery.Delivery{Attempts: func(exporter string, err error) {
			assert.Equal(t, "loki", exporter)
			heard = append(heard, err)
		}}.In(t.Context())
		down := errors.New("down")
		_ = a.Made(ctx, down)
		time.Sleep(2 * time.Minute)
		_ = a.Made(ctx, down)
		_ = a.Made(ctx, consumererror.NewPermanent(errors.New("a bad request")))
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_ = a.Made(ended, down)
		assert.Equal(t, []error{down, down, nil}, heard, "a sink that refuses answers; an attempt that was given up says nothing")
		assert.Empty(t, logs.All())
	})
}
