package embeddedlogsexporter

import (
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configretry"
)

// Config is the exporter's configuration.
type Config struct {
	// Store is the embedded_logs extension. Required.
	Store component.ID `mapstructure:"store"`
	// Retry says how often a batch is tried that the storage does not take now: while it is opened, or the disk is full. Default: from 200ms to
	// 2s, without end.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`
}

var _ component.Config = (*Config)(nil)

// Validate reports every problem, each by its key.
func (c *Config) Validate() error {
	if c.Store == (component.ID{}) {
		return errors.New("store: it must be set to an embedded_logs extension")
	}
	return nil
}
