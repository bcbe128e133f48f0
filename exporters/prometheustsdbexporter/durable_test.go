package prometheustsdbexporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/delivery"
)

// durableDatabase is a database with a barrier. Its log grows by one with each sync.
type durableDatabase struct {
	*database
	run    string
	length int
	lost   int // positions from here on are gone; 0: none
	fails  error
}

func (d *durableDatabase) Run() (string, error) { return d.run, nil }

func (d *durableDatabase) Sync(_ context.Context, run string) (string, error) {
	if d.fails != nil {
		return "", d.fails
	}
	if run != d.run {
		return "", errors.New("cut back")
	}
	d.length++
	return fmt.Sprint(d.length), nil
}

func (d *durableDatabase) Holds(position string) (error, error) {
	var n int
	if _, err := fmt.Sscan(position, &n); err != nil {
		return nil, err
	}
	if d.lost > 0 && n >= d.lost {
		return errors.New("the log was cut"), nil
	}
	return nil, nil
}

// reporting is a host that records statuses.
type reporting struct {
	host
	reported *[]*componentstatus.Event
}

func (r reporting) Report(e *componentstatus.Event) { *r.reported = append(*r.reported, e) }

func TestACheckpointWaitsForTheStorage(t *testing.T) {
	db := &durableDatabase{database: newDatabase(t), run: "a"}
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	e := running(t, cfg, host{cfg.TSDB: db})
	s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0"})
	require.NoError(t, err)
	ctx := delivery.With(t.Context(), s)
	require.NoError(t, e.ConsumeMetrics(ctx, pmetric.NewMetrics()), "an empty batch joins")
	require.NoError(t, e.ConsumeMetrics(ctx, orders(time.Now(), 5)))
	assert.Zero(t, db.length, "behind a journal the worker says when")
	require.NoError(t, s.Sync(t.Context()))
	assert.Equal(t, 1, db.length)

	db.fails = errors.New("input/output error")
	require.ErrorIs(t, s.Sync(t.Context()), db.fails)
	db.fails = nil
	db.run = "b" // the storage was cut back: samples of this session may be gone
	require.ErrorContains(t, s.Sync(t.Context()), "cut back")
}

func TestWithoutAJournalABatchIsTakenWhenItIsDurable(t *testing.T) {
	db := &durableDatabase{database: newDatabase(t), run: "a"}
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	e := running(t, cfg, host{cfg.TSDB: db})
	require.NoError(t, e.ConsumeMetrics(t.Context(), orders(time.Now(), 5)))
	assert.Equal(t, 1, db.length)
	cfg.Retry.Enabled = false
	e = running(t, cfg, host{cfg.TSDB: db})
	db.fails = errors.New("input/output error")
	require.ErrorIs(t, e.ConsumeMetrics(t.Context(), orders(time.Now(), 5)), db.fails)
}

func TestAStorageThatHasLessThanTheCheckpointIsNoticed(t *testing.T) {
	begin := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	db := &durableDatabase{database: newDatabase(t), run: "a"}
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	named := func(h component.Host) (exporter.Metrics, *observer.ObservedLogs) {
		log, logs := observer.New(zap.ErrorLevel)
		set := exportertest.NewNopSettings(metadata.Type)
		set.ID, set.Logger = component.NewID(metadata.Type), zap.New(log) // the same in every process
		e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context(), h))
		return e, logs
	}
	e, _ := named(host{cfg.TSDB: db})
	s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0"})
	require.NoError(t, err)
	ctx := delivery.With(t.Context(), s)
	for i := range 10 {
		s.Delivered(begin.Add(time.Duration(i) * time.Minute))
		require.NoError(t, e.ConsumeMetrics(ctx, orders(begin.Add(time.Duration(i)*time.Minute), 5)))
		require.NoError(t, s.Sync(t.Context()))
	}
	var state bytes.Buffer
	require.NoError(t, s.Snapshot(&state))
	require.NoError(t, e.Shutdown(t.Context()))

	for lost, want := range map[int]string{
		0: "",
		9: `POST /v1/replays {"signal":"metrics","from":"2026-11-29T10:07:00Z","to":"2026-11-29T10:09:02Z"}`,
		1: `POST /v1/replays {"signal":"metrics","from":"1970-01-01T00:00:00Z","to":"2026-11-29T10:09:02Z","force":true}`,
	} {
		var reported []*componentstatus.Event
		db.lost, db.run = lost, "b"
		e, logs := named(reporting{host{cfg.TSDB: db}, &reported})
		s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0", State: state.Bytes()})
		require.NoError(t, err)
		for range 3 { // logged once
			require.NoError(t, e.ConsumeMetrics(delivery.With(t.Context(), s), pmetric.NewMetrics()))
		}
		require.NoError(t, e.Shutdown(t.Context()))
		if want == "" {
			assert.Empty(t, logs.All())
			assert.Empty(t, reported)
			continue
		}
		require.Len(t, logs.All(), 1)
		assert.Equal(t, want, logs.All()[0].ContextMap()["refill"])
		require.Len(t, reported, 1)
		assert.Equal(t, componentstatus.StatusRecoverableError, reported[0].Status())
		require.ErrorContains(t, reported[0].Err(), want)
		assert.ErrorContains(t, reported[0].Err(), "partition penstock.metrics-0")
	}
}
