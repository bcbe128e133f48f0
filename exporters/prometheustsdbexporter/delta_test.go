package prometheustsdbexporter

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadata"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadatatest"
	"github.com/penstockhq/penstock/internal/delivery"
)

// orders is a delta of v, at time t.
func orders(t time.Time, v int64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("orders")
	m.SetEmptySum().SetIsMonotonic(true)
	m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	p := m.Sum().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(t))
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(t.Add(-10 * time.Second)))
	p.SetIntValue(v)
	md.MarkReadOnly()
	return md
}

func running(t *testing.T, cfg *Config, h component.Host) exporter.Metrics {
	t.Helper()
	e, err := NewFactory().CreateMetrics(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), h))
	t.Cleanup(func() { require.NoError(t, e.Shutdown(context.Background())) })
	return e
}

func TestRetriesAddADeltaOnce(t *testing.T) {
	now := time.Now()
	db := newDatabase(t, remoteapi.WriteV2MessageType)
	var failures atomic.Int32
	failures.Store(3)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failures.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		db.write.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)

	e := running(t, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint = srv.URL }), componenttest.NewNopHost())
	require.NoError(t, e.ConsumeMetrics(t.Context(), orders(now.Add(-20*time.Second), 5)), "retried inside")
	assert.Equal(t, map[string]string{`{__name__="orders_total", job="shop"}`: "5"}, db.values("orders_total", now))

	e = running(t, noQueue(func(cfg *Config) { cfg.HTTP.Endpoint, cfg.Retry.Enabled = srv.URL, false }), componenttest.NewNopHost())
	require.NoError(t, e.ConsumeMetrics(t.Context(), orders(now.Add(-10*time.Second), 5)))
	failures.Store(1)
	batch := orders(now, 7)
	require.Error(t, e.ConsumeMetrics(t.Context(), batch))
	require.NoError(t, e.ConsumeMetrics(t.Context(), batch), "retried by the sender")
	assert.Equal(t, map[string]string{`{__name__="orders_total", job="shop"}`: "12"}, db.values("orders_total", now))
}

// A worker that dies after a checkpoint reads the records after it again: every sample has the same value as before.
func TestTotalsBelongToThePartition(t *testing.T) {
	now := time.Now()
	db := newDatabase(t)
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	e := running(t, cfg, host{cfg.TSDB: db})

	began := func(state []byte) *delivery.Session {
		s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0", State: state})
		require.NoError(t, err)
		require.NoError(t, e.ConsumeMetrics(delivery.With(t.Context(), s), pmetric.NewMetrics()), "the empty batch of an assignment")
		return s
	}
	first := began(nil)
	consume := func(s *delivery.Session, v int64, ago time.Duration) {
		require.NoError(t, e.ConsumeMetrics(delivery.With(t.Context(), s), orders(now.Add(-ago), v)))
	}
	consume(first, 5, 30*time.Second)
	var checkpoint bytes.Buffer
	require.False(t, first.Advance(now, true))
	require.NoError(t, first.Snapshot(&checkpoint))
	consume(first, 7, 20*time.Second)
	first.Close()

	second := began(checkpoint.Bytes())
	assert.Empty(t, second.Unclaimed())
	consume(second, 7, 20*time.Second)
	consume(second, 1, 10*time.Second)
	assert.Equal(t, map[string]string{`{__name__="orders_total", job="shop"}`: "13"}, db.values("orders_total", now))
	assert.Equal(t, map[string]string{`{job="shop"}`: "3"}, db.values("count_over_time(orders_total[1m])", now), "a sample a point")
	other, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-1"})
	require.NoError(t, err)
	consume(other, 100, 0)
	assert.Equal(t, map[string]string{`{__name__="orders_total", job="shop"}`: "100"}, db.values("orders_total", now), "partitions share nothing")
}

// After a crash the journal is read again from the checkpoint on. A database without an out-of-order window refuses samples that it has;
// that is no loss, and is not counted as one. Refused samples of new records are.
func TestWhatTheJournalDeliversAgainIsRedelivered(t *testing.T) {
	now := time.Now()
	for _, inProcess := range []bool{false, true} {
		db := newDatabase(t, remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType)
		h := host{}
		cfg := noQueue(func(cfg *Config) {
			if inProcess {
				cfg.TSDB = component.MustNewID("embedded_tsdb")
				h[cfg.TSDB] = db
				return
			}
			srv := httptest.NewServer(db.write)
			t.Cleanup(srv.Close)
			cfg.HTTP.Endpoint, cfg.Protocol = srv.URL, "1.0"
		})
		tel := componenttest.NewTelemetry()
		t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
		set := exportertest.NewNopSettings(metadata.Type)
		set.ID = component.NewID(metadata.Type)
		set.TelemetrySettings = tel.NewTelemetrySettings()
		e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
		require.NoError(t, err)
		require.NoError(t, e.Start(t.Context(), h))

		session := func(again bool) context.Context {
			s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0"})
			require.NoError(t, err)
			s.Deliver(now, again)
			return delivery.With(t.Context(), s)
		}
		first, second := session(false), session(true)
		for _, ctx := range []context.Context{first, second} {
			for ago := 5; ago > 0; ago-- {
				require.NoError(t, e.ConsumeMetrics(ctx, orders(now.Add(-time.Duration(ago)*time.Second), 1)))
			}
		}
		late := session(false)
		require.NoError(t, e.ConsumeMetrics(late, orders(now.Add(-time.Minute), 1)))
		require.NoError(t, e.Shutdown(t.Context()))

		ignore := []metricdatatest.Option{metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars()}
		metadatatest.AssertEqualExporterPrometheusTsdbRedeliveredSamples(t, tel, []metricdata.DataPoint[int64]{{Value: 4, Attributes: of("")}}, ignore...) // the newest is no error
		metadatatest.AssertEqualExporterPrometheusTsdbRefusedSamples(t, tel,
			[]metricdata.DataPoint[int64]{{Value: 1, Attributes: of("out_of_order")}}, ignore...)
		assert.Equal(t, map[string]string{`{job="shop"}`: "5"}, db.values("count_over_time(orders_total[2m])", now))
	}
}

// newest is a TSDB that keeps the last value written.
type newest struct {
	storage.AppenderV2
	bits atomic.Uint64
	away atomic.Bool
}

func (n *newest) value() float64 { return math.Float64frombits(n.bits.Load()) }

func (*newest) Start(context.Context, component.Host) error { return nil }
func (*newest) Shutdown(context.Context) error              { return nil }
func (n *newest) Appender(context.Context) (storage.AppenderV2, error) {
	if n.away.Load() {
		return nil, errors.New("not ready")
	}
	return n, nil
}
func (*newest) Commit() error { return nil }
func (n *newest) Append(ref storage.SeriesRef, _ labels.Labels, _, _ int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	n.bits.Store(math.Float64bits(v))
	return ref, nil
}

// Two gateways take turns for one client: a request that had to be repeated arrives after a newer one. It counts with the next sample of
// its series, or with one of its own after a second: at the next checkpoint of a journal, or by a clock.
func TestOvertakenDeltasCount(t *testing.T) {
	now := time.Now()
	want := func(v string) map[string]string { return map[string]string{`{__name__="orders_total", job="shop"}`: v} }
	overtaken := []pmetric.Metrics{orders(now.Add(-40*time.Second), 5), orders(now.Add(-20*time.Second), 7), orders(now.Add(-30*time.Second), 1)}
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	t.Run("no journal", func(t *testing.T) {
		db := newDatabase(t)
		_, err := export(t, cfg, host{cfg.TSDB: db}, overtaken...) // waiting increases are sent at the end
		require.NoError(t, err)
		assert.Equal(t, want("13"), db.values("orders_total", now))
		assert.Equal(t, map[string]string{`{job="shop"}`: "0"}, db.values("resets(orders_total[1m])", now))
	})
	t.Run("no journal, by the clock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			db := &newest{}
			e, err := NewFactory().CreateMetrics(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
			require.NoError(t, err)
			require.NoError(t, e.Start(t.Context(), host{cfg.TSDB: db}))
			now := time.Now()
			for _, ago := range []time.Duration{40 * time.Second, 20 * time.Second, 30 * time.Second} {
				require.NoError(t, e.ConsumeMetrics(t.Context(), orders(now.Add(-ago), 1)))
			}
			assert.InDelta(t, 2, db.value(), 0)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			assert.InDelta(t, 3, db.value(), 0)
			require.NoError(t, e.ConsumeMetrics(t.Context(), orders(now.Add(-35*time.Second), 1)))
			db.away.Store(true)
			require.Error(t, e.Shutdown(t.Context()), "tries for a while to send what waits, and not for ever")
		})
	})
	t.Run("downstream of a journal", func(t *testing.T) {
		db := newDatabase(t)
		e := running(t, cfg, host{cfg.TSDB: db})
		s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0"})
		require.NoError(t, err)
		ctx := delivery.With(t.Context(), s)
		for _, md := range overtaken {
			require.NoError(t, e.ConsumeMetrics(ctx, md))
		}
		assert.Equal(t, want("12"), db.values("orders_total", now))
		require.False(t, s.Advance(now, true))
		require.True(t, s.Advance(now.Add(time.Second), true))
		var checkpoint bytes.Buffer
		require.NoError(t, s.Snapshot(&checkpoint))
		s, err = delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0", State: checkpoint.Bytes()})
		require.NoError(t, err)
		ctx = delivery.With(t.Context(), s)
		require.NoError(t, e.ConsumeMetrics(ctx, pmetric.NewMetrics()), "the worker dies before it sends, and another one goes on")
		require.NoError(t, s.Flush(ctx))
		assert.Equal(t, want("13"), db.values("orders_total", now))
		require.False(t, s.Advance(now.Add(time.Minute), true))
	})
}

// A point too far ahead is left out of the total by the journal's clock, so that it is left out again when the journal is read again
// later.
func TestTotalsDontDependOnWhenTheJournalIsRead(t *testing.T) {
	written := time.Now().Add(-time.Hour) // the records; the journal is read now
	db := newDatabase(t)
	cfg := noQueue(func(cfg *Config) { cfg.TSDB = component.MustNewID("embedded_tsdb") })
	e := running(t, cfg, host{cfg.TSDB: db})
	s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0"})
	require.NoError(t, err)
	s.Deliver(written, false)
	ctx := delivery.With(t.Context(), s)
	require.NoError(t, e.ConsumeMetrics(ctx, orders(written.Add(-time.Second), 5)))
	require.NoError(t, e.ConsumeMetrics(ctx, orders(written.Add(20*time.Minute), 100)), "was too far ahead when it was written")
	require.NoError(t, e.ConsumeMetrics(ctx, orders(written.Add(time.Second), 7)))
	assert.Equal(t, map[string]string{`{__name__="orders_total", job="shop"}`: "12"}, db.values("orders_total", written.Add(time.Minute)))
}

func TestAQueueBehindAJournalIsTold(t *testing.T) {
	log, logs := observer.New(zap.ErrorLevel)
	set := exportertest.NewNopSettings(metadata.Type)
	set.ID = component.NewID(metadata.Type)
	set.Logger = zap.New(log)
	cfg := createDefaultConfig().(*Config)
	cfg.TSDB = component.MustNewID("embedded_tsdb")
	e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), host{cfg.TSDB: newDatabase(t)}))
	defer func() { require.NoError(t, e.Shutdown(context.Background())) }()
	require.NoError(t, e.ConsumeMetrics(t.Context(), orders(time.Now(), 1)))
	require.Empty(t, logs.All(), "without a journal a queue is right")
	s, err := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-0"})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, e.ConsumeMetrics(delivery.With(t.Context(), s), pmetric.NewMetrics()))
	}
	require.Len(t, logs.FilterMessageSnippet("sending_queue: downstream of a journal").All(), 1)
}
