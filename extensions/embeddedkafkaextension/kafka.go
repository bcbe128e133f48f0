package embeddedkafkaextension

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/metadata"
)

// trimInterval is the time between looks at the log's size and age. Between two looks the size is counted.
const trimInterval = time.Second

var _ extension.Extension = (*kafka)(nil)

// kafka is the extension: it opens the broker before any pipeline starts and closes it after all have stopped.
type kafka struct {
	cfg       *Config
	log       *zap.Logger
	telemetry *metadata.TelemetryBuilder
	broker    *broker.Broker                // nil before Start and after Shutdown
	serving   atomic.Pointer[broker.Broker] // the same, for JournalRoom
}

func newKafka(cfg *Config, set extension.Settings) (*kafka, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &kafka{cfg: cfg, log: set.Logger, telemetry: telemetry}, nil
}

// Start blocks until the log is repaired and loaded: about a second for each GB.
func (k *kafka) Start(ctx context.Context, _ component.Host) error {
	b, err := broker.Open(broker.Settings{
		Address: k.cfg.Endpoint, Directory: k.cfg.Directory, MaxBytes: k.cfg.MaxSize, SegmentBytes: k.cfg.SegmentSize,
		TrimInterval: trimInterval, Problem: func(err error) {
			k.telemetry.ExtensionEmbeddedKafkaProblems.Add(context.WithoutCancel(ctx), 1)
			k.log.Warn("the embedded broker has a problem", zap.Error(err))
		},
	})
	if err != nil {
		return err
	}
	k.broker = b
	k.serving.Store(b)
	if r := b.Repaired(); r != (broker.Repair{}) {
		k.log.Info("repaired the log after a crash; nothing acknowledged was lost",
			zap.Int64("torn_bytes", r.TornBytes), zap.Int("indexes", r.Indexes), zap.Int("aborted_transactions", r.Aborted))
	}
	return k.observe(b)
}

func (k *kafka) observe(b *broker.Broker) error {
	err := k.telemetry.RegisterExtensionEmbeddedKafkaSizeCallback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(b.Bytes())
		return nil
	})
	if err != nil {
		return err
	}
	return k.telemetry.RegisterExtensionEmbeddedKafkaFullCallback(func(_ context.Context, o metric.Int64Observer) error {
		full := int64(0)
		if b.Full() {
			full = 1
		}
		o.Observe(full)
		return nil
	})
}

// Shutdown closes the broker, so that the next start need not repair.
func (k *kafka) Shutdown(context.Context) error {
	k.telemetry.Shutdown()
	if k.broker == nil {
		return nil
	}
	b := k.broker
	k.broker = nil
	k.serving.Store(nil)
	return b.Close()
}
