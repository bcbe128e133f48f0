package deadletterextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/metadata"
)

// NewFactory returns the factory of the dead_letter extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	return &Config{MaxSize: 1 << 30, MaxParked: 16, RetryInterval: 15 * time.Second, MaxDelay: 5 * time.Minute}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newDeadLetter(cfg.(*Config), set), nil
}
