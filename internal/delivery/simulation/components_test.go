package simulation_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/delivery/simulation"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor"
	"github.com/penstockhq/penstock/processors/windowrollupprocessor"
)

// running is the real components of one schedule: they have things to release.
type running struct {
	t   testing.TB
	all []processor.Metrics
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

// guard lets some series pass, and folds the others into panes.
func (r *running) guard(limit int, next consumer.Metrics) consumer.Metrics {
	return r.make(cardinalityguardprocessor.NewFactory(), map[string]any{
		"limits": map[string]any{"series_per_metric": limit}, "flush_interval": paneSize, "idle_timeout": 4 * paneSize,
		"report": map[string]any{"interval": 0}, "journal": "required",
	}, next)
}

// rollup adds up in windows; what is late passes as it is.
func (r *running) rollup(next consumer.Metrics) consumer.Metrics {
	return r.make(windowrollupprocessor.NewFactory(), map[string]any{
		"allowed_lateness": lateness, "idle_timeout": time.Minute, "on_late": "route", "journal": "required",
		"rules": []any{map[string]any{
			"match": map[string]any{"metric": "requests*"}, "windows": []any{map[string]any{"size": windowSize}}, "by": []any{"service.name"},
			"aggregates": []any{"increase"}, "keep_raw": false,
		}},
	}, next)
}

// TestTheComponentsCountOnce runs the schedules, 10 000, with cardinality_guard and window_rollup as they are.
func TestTheComponentsCountOnce(t *testing.T) {
	for name, c := range map[string]struct {
		pipeline func(*running) pipeline
		options  simulation.Options
	}{
		"guard": {pipeline: func(r *running) pipeline {
			return func(_ int, sink consumer.Metrics) consumer.Metrics { return r.guard(2, sink) }
		}},
		"rollup": {pipeline: func(r *running) pipeline {
			return func(_ int, sink consumer.Metrics) consumer.Metrics { return r.rollup(sink) }
		}},
		"guard and rollup": {pipeline: func(r *running) pipeline {
			return func(_ int, sink consumer.Metrics) consumer.Metrics { return r.guard(2, r.rollup(sink)) }
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
