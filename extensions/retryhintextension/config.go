package retryhintextension

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
)

const (
	minDelay = time.Second // Retry-After counts whole seconds
	maxDelay = time.Hour
)

// Config is the YAML configuration of the extension.
type Config struct {
	// Delay is the shortest time that a refused client is asked to wait, 1s to 1h; each answer is drawn from one to two times
	// that, so clients that were refused together do not come back together. Default 5s.
	Delay time.Duration `mapstructure:"delay"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	if c.Delay < minDelay || c.Delay > maxDelay {
		return fmt.Errorf("delay: %s is not between %s and %s", c.Delay, minDelay, maxDelay)
	}
	return nil
}
