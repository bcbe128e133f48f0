package ledgerextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/ledgerextension/internal/metadata"
)

// NewFactory returns the factory of the ledger extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	return &Config{MaxScan: 64 << 20, Timeout: 20 * time.Second, Usage: UsageConfig{MaxServices: 2000}}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newExtension(cfg.(*Config), set)
}
