package udpdropsextension

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/udpdropsextension/internal/metadata"
)

// Config is the YAML configuration of the extension. It has no keys.
type Config struct{}

// NewFactory returns the factory of the udp_drops extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config { return &Config{} }

func create(_ context.Context, set extension.Settings, _ component.Config) (extension.Extension, error) {
	return &udpDrops{set: set.TelemetrySettings, proc: "/proc"}, nil
}
