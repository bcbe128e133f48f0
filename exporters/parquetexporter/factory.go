package parquetexporter

import (
	"context"
	"time"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/metadata"
	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/attempts"
	"github.com/penstockhq/penstock/internal/tenant"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// NewFactory returns the factory of the parquet exporter.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		metadata.Type,
		createDefaultConfig,
		exporter.WithLogs(createLogs, metadata.LogsStability),
		exporter.WithMetrics(createMetrics, metadata.MetricsStability),
		exporter.WithTraces(createTraces, metadata.TracesStability),
	)
}

func createDefaultConfig() component.Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.MaxElapsedTime = 0
	batch := exporterhelper.BatchConfig{
		FlushTimeout: 30 * time.Second,
		Sizer:        exporterhelper.RequestSizerTypeItems,
		MinSize:      250_000,
		MaxSize:      250_000,
	}
	batch.Partition.MetadataKeys = []string{tenant.MetadataKey}
	return &Config{
		MaxAge:        30 * time.Second,
		MaxRows:       250_000,
		MaxPartitions: 256,
		Timeout:       exporterhelper.TimeoutConfig{Timeout: 0},
		Retry:         retry,
		Queue: configoptional.Default(exporterhelper.QueueBatchConfig{
			Sizer:        exporterhelper.RequestSizerTypeBytes,
			QueueSize:    1 << 30,
			NumConsumers: 1,
			Batch:        configoptional.Some(batch),
		}),
	}
}

func createLogs(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Logs, error) {
	e, err := newExporter(set, config.(*Config), "logs", rows.NewLogs)
	if err != nil {
		return nil, err
	}
	tries, quiet := attempts.New(set)
	return exporterhelper.NewLogs(ctx, quiet, config, attempts.Push(tries, e.push), options(e, tries, config.(*Config))...)
}

func createMetrics(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Metrics, error) {
	e, err := newExporter(set, config.(*Config), "metrics", rows.NewMetrics)
	if err != nil {
		return nil, err
	}
	tries, quiet := attempts.New(set)
	return exporterhelper.NewMetrics(ctx, quiet, config, attempts.Push(tries, e.push), options(e, tries, config.(*Config))...)
}

func createTraces(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Traces, error) {
	e, err := newExporter(set, config.(*Config), "traces", rows.NewTraces)
	if err != nil {
		return nil, err
	}
	tries, quiet := attempts.New(set)
	return exporterhelper.NewTraces(ctx, quiet, config, attempts.Push(tries, e.push), options(e, tries, config.(*Config))...)
}

func options(e component.Component, tries *attempts.Attempts, c *Config) []exporterhelper.Option {
	return []exporterhelper.Option{
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithStart(tries.Start(e.Start)),
		exporterhelper.WithShutdown(e.Shutdown),
		exporterhelper.WithTimeout(c.Timeout),
		exporterhelper.WithRetry(c.Retry),
		exporterhelper.WithQueue(c.Queue),
	}
}
