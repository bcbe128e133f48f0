package kafkareplayprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/processors/kafkareplayprocessor/internal/metadata"
)

// NewFactory returns the factory of the Kafka replay processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(metadata.Type, createDefaultConfig,
		processor.WithMetrics(createMetrics, metadata.MetricsStability),
		processor.WithLogs(createLogs, metadata.LogsStability),
		processor.WithTraces(createTraces, metadata.TracesStability))
}

func createMetrics(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	a, err := newAppender(journal.Metrics, cfg.(*Config), set)
	if err != nil {
		return nil, err
	}
	return &metricsAppender{appender: a, next: next}, nil
}

func createLogs(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	a, err := newAppender(journal.Logs, cfg.(*Config), set)
	if err != nil {
		return nil, err
	}
	return &logsAppender{appender: a, next: next}, nil
}

func createTraces(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	a, err := newAppender(journal.Traces, cfg.(*Config), set)
	if err != nil {
		return nil, err
	}
	return &tracesAppender{appender: a, next: next}, nil
}
