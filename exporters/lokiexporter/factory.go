package lokiexporter

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/attempts"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/tenant"
)

// NewFactory returns the factory of the loki exporter.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		metadata.Type,
		createDefaultConfig,
		exporter.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createDefaultConfig() component.Config {
	client := confighttp.NewDefaultClientConfig()
	client.Timeout = 30 * time.Second
	retry := configretry.NewDefaultBackOffConfig()
	retry.MaxElapsedTime = 0 // accepted entries must not be discarded
	queue := exporterhelper.NewDefaultQueueConfig()
	queue.NumConsumers = 1 // more would let one batch overtake another
	batch := exporterhelper.BatchConfig{FlushTimeout: 200 * time.Millisecond, Sizer: exporterhelper.RequestSizerTypeItems, MinSize: 8192}
	batch.Partition.MetadataKeys = []string{tenant.MetadataKey}
	queue.Batch = configoptional.Default(batch)
	return &Config{
		ClientConfig:       client,
		RetryConfig:        retry,
		QueueConfig:        configoptional.Default(queue),
		Encoding:           encodingProtobuf,
		Line:               lineBody,
		StructuredMetadata: true,
		Labels: []LabelConfig{
			{Name: "service_name", Resource: []string{"service.name"}, Value: unknownService},
			{Name: "service_namespace", Resource: []string{"service.namespace"}},
			{Name: "deployment_environment", Resource: []string{"deployment.environment.name", "deployment.environment"}},
			{Name: "level", Severity: true},
		},
		StreamLimit: StreamLimitConfig{
			MaxStreams:   4000, // below Loki's 5000: moving a label creates new streams
			MaxTenants:   1000,
			IdleTimeout:  time.Hour,
			ReleaseAfter: 24 * time.Hour,
		},
		Tenant:         TenantConfig{MetadataKey: tenant.MetadataKey, ResourceAttribute: tenant.Attribute, Default: tenant.Default},
		TenantPatience: 15 * time.Minute,
		Limits: LimitsConfig{
			RequestBytes:         1 << 20,
			LineBytes:            256 << 10,
			LabelNames:           15,
			LabelValueBytes:      2048,
			MetadataPairs:        128,
			MetadataBytes:        64 << 10,
			MaxAge:               7 * 24 * time.Hour,
			MaxAhead:             10 * time.Minute,
			MaxBehind:            time.Hour,
			StreamBytesPerSecond: 3 << 20,
			StreamBurstBytes:     15 << 20,
		},
		LateLabel:       "late",
		OnLongLine:      longLineSplit,
		OnOutsideWindow: outsideDrop,
		OnIdentical:     identicalNudge,
	}
}

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	c := cfg.(*Config)
	e, err := newLokiExporter(c, set)
	if err != nil {
		return nil, err
	}
	tries, quiet := attempts.New(set)
	next, err := exporterhelper.NewLogs(ctx, quiet, cfg, attempts.Push(tries, e.push),
		exporterhelper.WithStart(tries.Start(e.start)),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}), // timeout applies to each request
		exporterhelper.WithRetry(c.RetryConfig),
		exporterhelper.WithQueue(c.QueueConfig),
	)
	if c.QueueConfig.HasValue() {
		next = &queued{Logs: next, logger: set.Logger}
	}
	return next, err
}

// queued logs, once, that its queue breaks the guarantee of an upstream journal.
type queued struct {
	exporter.Logs
	logger *zap.Logger
	once   sync.Once
}

// ConsumeLogs puts ld into the queue.
func (q *queued) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	if _, ok := delivery.From(ctx); ok {
		q.once.Do(func() {
			q.logger.Error("sending_queue: downstream of a journal, the queue loses its content when the process is killed: remove it")
		})
	}
	return q.Logs.ConsumeLogs(ctx, ld)
}
