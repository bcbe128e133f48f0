package adminextension

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/adminextension/internal/metadata"
)

const defaultEndpoint = "127.0.0.1:13134"

// NewFactory returns the factory of the admin extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = defaultEndpoint
	return &Config{ServerConfig: server, Audit: AuditConfig{MaxSize: 100, MaxFiles: 10}}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newAdmin(cfg.(*Config), set)
}
