package embeddedlogsexporter

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/exporters/embeddedlogsexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/attempts"
)

// NewFactory returns the factory of embedded_logs.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(metadata.Type, createDefaultConfig,
		exporter.WithLogs(createLogs, metadata.LogsStability), exporter.WithTraces(createTraces, metadata.TracesStability))
}

func createDefaultConfig() component.Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.InitialInterval, retry.MaxInterval = 200*time.Millisecond, 2*time.Second // It is in this process: asking costs nothing.
	retry.MaxElapsedTime = 0                                                       // without end: giving up is losing
	return &Config{Retry: retry}
}

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	e, err := newExporter(cfg.(*Config), set, logs)
	if err != nil {
		return nil, err
	}
	tries, quiet := attempts.New(set)
	next, err := exporterhelper.NewLogs(ctx, quiet, cfg, attempts.Push(tries, e.pushLogs), e.options(tries)...)
	return &sessionLogs{next, e}, err
}

func createTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	e, err := newExporter(cfg.(*Config), set, traces)
	if err != nil {
		return nil, err
	}
	tries, quiet := attempts.New(set)
	next, err := exporterhelper.NewTraces(ctx, quiet, cfg, attempts.Push(tries, e.pushTraces), e.options(tries)...)
	return &sessionTraces{next, e}, err
}

func (e *logsExporter) options(tries *attempts.Attempts) []exporterhelper.Option {
	return []exporterhelper.Option{
		exporterhelper.WithStart(tries.Start(e.start)),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
		exporterhelper.WithRetry(e.cfg.Retry),
	}
}

// sessionLogs joins the session of a batch before anything is written: an empty batch is no request.
type sessionLogs struct {
	exporter.Logs
	e *logsExporter
}

// ConsumeLogs writes ld.
func (s *sessionLogs) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	if err := s.e.join(ctx); err != nil {
		return err
	}
	return s.Logs.ConsumeLogs(ctx, ld)
}

// sessionTraces is sessionLogs of spans.
type sessionTraces struct {
	exporter.Traces
	e *logsExporter
}

// ConsumeTraces writes td.
func (s *sessionTraces) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if err := s.e.join(ctx); err != nil {
		return err
	}
	return s.Traces.ConsumeTraces(ctx, td)
}
