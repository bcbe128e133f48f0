package outagewatchextension

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// After is how long a server must be unreachable before the first log line, and the interval of further lines. Default 1m.
	After time.Duration `mapstructure:"after"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	if c.After <= 0 {
		return fmt.Errorf("after: %s must be positive", c.After)
	}
	return nil
}
