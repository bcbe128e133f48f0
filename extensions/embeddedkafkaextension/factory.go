package embeddedkafkaextension

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/metadata"
)

const (
	defaultEndpoint = "127.0.0.1:9092"
)

// NewFactory returns the factory of the embedded Kafka extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	return &Config{Endpoint: defaultEndpoint}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newKafka(cfg.(*Config), set)
}
