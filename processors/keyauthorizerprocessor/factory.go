package keyauthorizerprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"github.com/penstockhq/penstock/processors/keyauthorizerprocessor/internal/metadata"
)

// Config is the YAML configuration of the processor. It has no keys: each API key has its own limits.
type Config struct{}

var _ component.Config = (*Config)(nil)

// NewFactory returns the factory of the key_authorizer processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(metadata.Type, func() component.Config { return &Config{} },
		processor.WithLogs(createLogs, metadata.LogsStability),
		processor.WithMetrics(createMetrics, metadata.MetricsStability),
		processor.WithTraces(createTraces, metadata.TracesStability))
}

var mutates = processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true})

func createLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	a, err := newAuthorizer(set)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewLogs(ctx, set, cfg, next, func(ctx context.Context, l plog.Logs) (plog.Logs, error) {
		return l, check(ctx, a, "logs", l.ResourceLogs().All(), plog.ResourceLogs.Resource)
	}, mutates, processorhelper.WithShutdown(a.shutdown))
}

func createMetrics(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	a, err := newAuthorizer(set)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewMetrics(ctx, set, cfg, next, func(ctx context.Context, m pmetric.Metrics) (pmetric.Metrics, error) {
		return m, check(ctx, a, "metrics", m.ResourceMetrics().All(), pmetric.ResourceMetrics.Resource)
	}, mutates, processorhelper.WithShutdown(a.shutdown))
}

func createTraces(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
	a, err := newAuthorizer(set)
	if err != nil {
		return nil, err
	}
	return processorhelper.NewTraces(ctx, set, cfg, next, func(ctx context.Context, t ptrace.Traces) (ptrace.Traces, error) {
		return t, check(ctx, a, "traces", t.ResourceSpans().All(), ptrace.ResourceSpans.Resource)
	}, mutates, processorhelper.WithShutdown(a.shutdown))
}
