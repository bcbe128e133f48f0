package kafkareplayreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/metadata"
)

// NewFactory returns the factory of the Kafka replay receiver.
func NewFactory() receiver.Factory {
	c := &creator{shared: shared{all: map[*Config]*jobs{}}, rosters: rosters{all: map[*Config]*roster{}}}
	return receiver.NewFactory(metadata.Type, createDefaultConfig,
		receiver.WithMetrics(c.metrics, metadata.MetricsStability),
		receiver.WithLogs(c.logs, metadata.LogsStability),
		receiver.WithTraces(c.traces, metadata.TracesStability))
}

// creator makes a follower for each pipeline, or the jobs of all that name one receiver.
type creator struct {
	shared  shared
	rosters rosters
}

func (c *creator) metrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	return c.create(set, cfg.(*Config), metricsHead{next})
}

func (c *creator) logs(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	return c.create(set, cfg.(*Config), logsHead{next})
}

func (c *creator) traces(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	return c.create(set, cfg.(*Config), tracesHead{next})
}

func (c *creator) create(set receiver.Settings, cfg *Config, h head) (component.Component, error) {
	if cfg.Jobs.HasValue() {
		return c.shared.of(cfg, set, h)
	}
	return newFollower(cfg, set, h, c.rosters.of(cfg))
}
