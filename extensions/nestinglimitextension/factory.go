package nestinglimitextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/metadata"
)

// NewFactory returns the factory of the nesting_limit extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	return &Config{
		MaxDepth:       250,
		MaxItems:       500_000,
		MaxResources:   50_000,
		MaxScopes:      50_000,
		MaxAttributes:  4096,
		MaxDecodedSize: 128 << 20,
		MaxRequestSize: 32 << 20,
		MaxItemSize:    20 << 20,
		MaxInFlight:    256 << 20,
		MaxReading:     128 << 20,
		ReadTimeout:    30 * time.Second,
	}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newNestingLimit(cfg.(*Config), set)
}
