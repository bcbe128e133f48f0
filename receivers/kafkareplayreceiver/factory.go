package kafkareplayreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/downstream"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/follow"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/metadata"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
)

// NewFactory returns the factory of the Kafka replay receiver.
func NewFactory() receiver.Factory {
	c := &creator{}
	return receiver.NewFactory(metadata.Type, createDefaultConfig,
		receiver.WithMetrics(c.metrics, metadata.MetricsStability),
		receiver.WithLogs(c.logs, metadata.LogsStability),
		receiver.WithTraces(c.traces, metadata.TracesStability))
}

// creator creates a follower for each pipeline, or one set of jobs for all pipelines that name a receiver.
type creator struct {
	jobs       jobs.Shared
	rosters    follow.Rosters
	downstream downstream.Checker
}

func (c *creator) metrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	return c.create(set, cfg.(*Config), pipeline.Metrics(next))
}

func (c *creator) logs(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	return c.create(set, cfg.(*Config), pipeline.Logs(next))
}

func (c *creator) traces(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
	return c.create(set, cfg.(*Config), pipeline.Traces(next))
}

func (c *creator) create(set receiver.Settings, cfg *Config, entry pipeline.Entry) (component.Component, error) {
	if cfg.Jobs.HasValue() {
		return c.jobs.Pipeline(jobs.Settings{Receiver: set, Kafka: cfg.Kafka, Config: cfg.Jobs.Get(), Downstream: &c.downstream}, entry)
	}
	return follow.New(follow.Settings{Receiver: set, Kafka: cfg.Kafka, Config: &cfg.Follow, Entry: entry, Roster: c.rosters.Of(&cfg.Follow), Downstream: &c.downstream})
}
