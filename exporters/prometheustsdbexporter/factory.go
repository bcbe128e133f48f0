package prometheustsdbexporter

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/attempts"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/tenant"
)

// NewFactory returns the factory of prometheus_tsdb.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(metadata.Type, createDefaultConfig,
		exporter.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createDefaultConfig() component.Config {
	client := confighttp.NewDefaultClientConfig()
	client.Timeout = 30 * time.Second
	client.MaxIdleConnsPerHost = 64 // as many as there are shards; the library's 2 would reconnect all the time
	queue := exporterhelper.NewDefaultQueueConfig()
	queue.NumConsumers = 1 // more would reorder the samples of a series
	batch := exporterhelper.BatchConfig{Sizer: exporterhelper.RequestSizerTypeItems, MinSize: 8192, FlushTimeout: 200 * time.Millisecond}
	batch.Partition.MetadataKeys = []string{tenant.MetadataKey}
	queue.Batch = configoptional.Default(batch)
	retry := configretry.NewDefaultBackOffConfig()
	retry.MaxElapsedTime = 0 // without end, because giving up would lose samples
	return &Config{
		HTTP:       client,
		Queue:      configoptional.Some(queue),
		Retry:      retry,
		Protocol:   "auto",
		MaxSamples: 5000,
		MaxBytes:   8 << 20,
		MaxShards:  8,
		MaxFuture:  10 * time.Minute,

		TenantPatience: 15 * time.Minute,

		IsolateRefused: true,
		Delta:          DeltaConfig{MaxStreams: 200_000, IdleTimeout: time.Hour},
		Translation: TranslationConfig{
			Strategy:      otlptranslator.UnderscoreEscapingWithSuffixes,
			TargetInfo:    true,
			TrackedSeries: 500_000,
		},
	}
}

func createMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	c := cfg.(*Config)
	e, err := newExporter(c, set)
	if err != nil {
		return nil, err
	}
	tries, quiet := attempts.New(set)
	next, err := exporterhelper.NewMetrics(ctx, quiet, cfg, attempts.Push(tries, e.push),
		exporterhelper.WithStart(tries.Start(e.start)),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}), // of one request, not of a batch: see Config.HTTP
		exporterhelper.WithQueue(c.Queue),
		exporterhelper.WithRetry(c.Retry),
	)
	if c.Queue.HasValue() {
		next = &queued{Metrics: next, logger: set.Logger}
	}
	if err != nil {
		return nil, err
	}
	next = newSynced(next, e, set)
	if c.Delta.MaxStreams == 0 || c.Delta.Native {
		return next, nil
	}
	d := newDeltaExporter(next, e, set)
	return d, e.telemetry.RegisterExporterPrometheusTsdbDeltaStreamsCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(d.streams.Load(), e.self())
		return nil
	})
}

// queued logs, once, that its queue breaks the guarantee of an upstream journal.
type queued struct {
	exporter.Metrics
	logger *zap.Logger
	once   sync.Once
}

// ConsumeMetrics puts md into the queue.
func (q *queued) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if _, ok := delivery.From(ctx); ok {
		q.once.Do(func() {
			q.logger.Error("sending_queue: downstream of a journal, the queue loses its content when the process is killed: set enabled: false")
		})
	}
	return q.Metrics.ConsumeMetrics(ctx, md)
}
