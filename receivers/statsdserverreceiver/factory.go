package statsdserverreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/metadata"
)

// NewFactory returns the factory of the statsd_server receiver.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(metadata.Type, createDefaultConfig, receiver.WithMetrics(create, metadata.MetricsStability))
}

func create(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	return newServer(cfg.(*Config), set, next)
}
