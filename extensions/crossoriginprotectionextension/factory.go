package crossoriginprotectionextension

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/crossoriginprotectionextension/internal/metadata"
)

// Config is the YAML configuration of the extension. It has no keys: the listener's configuration says what is allowed.
type Config struct{}

var _ component.Config = (*Config)(nil)

// NewFactory returns the factory of the cross_origin_protection extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config { return &Config{} }

func create(_ context.Context, set extension.Settings, _ component.Config) (extension.Extension, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return &protection{id: set.ID, telemetry: telemetry}, nil
}
