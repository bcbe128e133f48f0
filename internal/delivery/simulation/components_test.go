package simulation_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/simulation"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor"
)

// running are the real components of one schedule, which have to be released.
type running struct {
	t   testing.TB
	all []component.Component
}

func (r *running) make(factory processor.Factory, yaml map[string]any, next consumer.Metrics) consumer.Metrics {
	cfg := factory.CreateDefaultConfig()
	require.NoError(r.t, confmap.NewFromStringMap(yaml).Unmarshal(cfg))
	require.NoError(r.t, confmap.Validate(cfg))
	p, err := factory.CreateMetrics(context.Background(), processortest.NewNopSettings(factory.Type()), cfg, next)
	require.NoError(r.t, err)
	require.NoError(r.t, p.Start(context.Background(), componenttest.NewNopHost()))
	r.all = append(r.all, p)
	return p
}

func (r *running) shutdown() {
	for _, p := range r.all {
		require.NoError(r.t, p.Shutdown(context.Background()))
	}
}

// guard admits some series, and folds the others into panes.
func (r *running) guard(limit int, next consumer.Metrics) consumer.Metrics {
	return r.make(cardinalityguardprocessor.NewFactory(), map[string]any{
		"limits": map[string]any{"series_per_metric": limit}, "flush_interval": paneSize, "idle_timeout": 4 * paneSize,
		"report": map[string]any{"interval": 0}, "journal": "required",
	}, next)
}

// rollup adds up in windows; late points pass unchanged.
func (r *running) rollup(next consumer.Metrics) consumer.Metrics {
	return r.make(windowrollupprocessor.NewFactory(), map[string]any{
		"allowed_lateness": lateness, "idle_timeout": time.Minute, "on_late": "route", "journal": "required",
		"rules": []any{map[string]any{
			"match": map[string]any{"metric": "requests*"}, "windows": []any{map[string]any{"size": windowSize}}, "by": []any{"service.name"},
			"aggregates": []any{"increase"}, "keep_raw": false,
		}},
	}, next)
}

// tsdb makes deltas cumulative, and writes them to next.
func (r *running) tsdb(next consumer.Metrics) consumer.Metrics {
	factory := prometheustsdbexporter.NewFactory()
	cfg := factory.CreateDefaultConfig()
	require.NoError(r.t, confmap.NewFromStringMap(map[string]any{
		"tsdb": "store", "sending_queue": map[string]any{"enabled": false}, "retry_on_failure": map[string]any{"enabled": false},
		"translation": map[string]any{"target_info": false},
	}).Unmarshal(cfg))
	require.NoError(r.t, confmap.Validate(cfg))
	set := exportertest.NewNopSettings(factory.Type())
	set.ID = component.NewID(factory.Type()) // the same in every process
	e, err := factory.CreateMetrics(context.Background(), set, cfg)
	require.NoError(r.t, err)
	require.NoError(r.t, e.Start(context.Background(), store{next}))
	r.all = append(r.all, e)
	return e
}

// store is a host with a TSDB, which is next.
type store struct{ next consumer.Metrics }

func (s store) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("store"): s}
}
func (store) Start(context.Context, component.Host) error { return nil }
func (store) Shutdown(context.Context) error              { return nil }

func (s store) Appender(ctx context.Context) (storage.AppenderV2, error) {
	return &transaction{ctx: ctx, next: s.next, samples: pmetric.NewMetrics()}, nil
}

// transaction collects samples as points of gauges.
type transaction struct {
	storage.AppenderV2
	ctx     context.Context
	next    consumer.Metrics
	samples pmetric.Metrics
}

func (t *transaction) Append(ref storage.SeriesRef, series labels.Labels, _, at int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	m := t.samples.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(series.String())
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(time.UnixMilli(at)))
	p.SetIntValue(int64(v))
	return ref, nil
}

// Commit passes the samples on. The sink's reports on them are not for the ledger: the exporter counts points.
func (t *transaction) Commit() error {
	of := delivery.Of(t.ctx)
	of.Outcome = nil
	return t.next.ConsumeMetrics(of.In(t.ctx), t.samples)
}

// TestTheComponentsCountOnce runs the schedules with the real cardinality_guard, window_rollup and prometheus_tsdb totals.
func TestTheComponentsCountOnce(t *testing.T) {
	for name, c := range map[string]struct {
		pipeline func(*running) pipeline
		options  simulation.Options
	}{
		"guard": {options: simulation.Options{Ledger: true}, pipeline: func(r *running) pipeline {
			return func(_ int, sink consumer.Metrics) consumer.Metrics { return r.guard(2, sink) }
		}},
		"rollup": {options: simulation.Options{Ledger: true}, pipeline: func(r *running) pipeline {
			return func(_ int, sink consumer.Metrics) consumer.Metrics { return r.rollup(sink) }
		}},
		"totals": {options: simulation.Options{Totals: true}, pipeline: func(r *running) pipeline {
			return func(_ int, sink consumer.Metrics) consumer.Metrics { return r.tsdb(sink) }
		}},
		"guard, rollup and totals": {options: simulation.Options{Totals: true, Ledger: true}, pipeline: func(r *running) pipeline {
			return func(_ int, sink consumer.Metrics) consumer.Metrics { return r.guard(2, r.rollup(r.tsdb(sink))) }
		}},
		"guard, rollup and totals, and a sink that forgets": {options: simulation.Options{Totals: true, Forgets: true}, pipeline: func(r *running) pipeline {
			return func(_ int, sink consumer.Metrics) consumer.Metrics { return r.guard(2, r.rollup(r.tsdb(sink))) }
		}},
		"changed rules": {options: simulation.Options{NoZombies: true}, pipeline: func(r *running) pipeline {
			return func(run int, sink consumer.Metrics) consumer.Metrics { return r.guard(1+run%4, r.rollup(sink)) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, *schedules, func(seed uint64) error {
				r := &running{t: t}
				defer r.shutdown()
				o := c.options
				o.Pipeline = c.pipeline(r)
				return run(seed, o)
			})
		})
	}
}
