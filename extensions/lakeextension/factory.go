package lakeextension

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/metadata"
)

// NewFactory returns the factory of the lake extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig, create, metadata.ExtensionStability)
}

func createDefaultConfig() component.Config {
	return &Config{
		Interval: 5 * time.Minute,
		Lease:    time.Minute,
		Compaction: CompactionConfig{
			Enabled: true, Delay: 15 * time.Minute, Quiet: 20 * time.Minute, TargetSize: 128 << 20, Memory: 256 << 20, RecompressAfter: 24 * time.Hour,
		},
		Tables: TablesConfig{Every: 30 * time.Second, Sweep: 15 * time.Minute, KeepSnapshots: time.Hour},
	}
}

func create(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	return newExtension(cfg.(*Config), set)
}
