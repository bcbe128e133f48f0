package embeddedlogsextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/metadata"
)

// NewFactory returns the factory of embedded_logs.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = "127.0.0.1:9428"
	server.ReadHeaderTimeout = 10 * time.Second
	server.ReadTimeout, server.WriteTimeout = 0, 0 // a live tail has no end; bodies have a patience of their own
	server.MaxRequestBodySize = 1 << 20
	return &Config{
		HTTP:         server,
		Retention:    RetentionConfig{Time: 7 * 24 * time.Hour},
		DiskReserve:  256 << 20,
		StreamFields: []string{"service.namespace", "deployment.environment.name", "k8s.namespace.name", "k8s.container.name", "host.name"},
		MaxTenants:   1000,
		Memory:       256 << 20,
		Query:        QueryConfig{Timeout: 30 * time.Second, MaxConcurrency: 4, MaxWaiting: 100, MaxTails: 20, MaxLength: 16 << 10, MaxRead: 10 << 30},

		EvaluationInterval: time.Minute,
		Rules:              RulesConfig{TSDB: component.MustNewID("embedded_tsdb"), Delay: 10 * time.Second, CatchUp: 30 * time.Minute, Timeout: 30 * time.Second, MaxSeries: 1000},
	}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newExtension(cfg.(*Config), set)
}
