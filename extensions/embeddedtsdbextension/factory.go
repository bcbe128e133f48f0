package embeddedtsdbextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/metadata"
)

// NewFactory returns the factory of embedded_tsdb.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = "127.0.0.1:9090"
	server.ReadHeaderTimeout = 10 * time.Second
	server.ReadTimeout = 5 * time.Minute  // after that, Go cancels a request's context; bodies have bodyTimeout
	server.WriteTimeout = 5 * time.Minute // longer than the longest query
	server.MaxRequestBodySize = 32 << 20  // the limit of Prometheus' receiver
	return &Config{
		HTTP:             server,
		DiskReserve:      256 << 20,
		Retention:        RetentionConfig{Time: 15 * 24 * time.Hour},
		OutOfOrderWindow: 30 * time.Minute,
		WALCompression:   "snappy",
		MaxSeries:        2_000_000,
		MaxExemplars:     100_000,
		Query: QueryConfig{
			Timeout:        2 * time.Minute,
			MaxSamples:     50_000_000,
			MaxConcurrency: 20,
			MaxWaiting:     100,
			MaxLength:      128 << 10,
			MaxDepth:       128,
			MaxTokens:      5000,
			MaxSteps:       500_000_000,
			LookbackDelta:  5 * time.Minute,
		},
		EvaluationInterval: time.Minute,
	}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newExtension(cfg.(*Config), set)
}
