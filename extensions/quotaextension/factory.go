package quotaextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/quotaextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// NewFactory returns the factory of the quota extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	return &Config{MaxAccounts: 100_000, MaxStreams: 1_000_000, Share: configoptional.Default(ShareConfig{Kafka: cluster.DefaultConfig(), Interval: time.Second})}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newExtension(cfg.(*Config), set)
}
