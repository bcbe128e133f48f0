package retryhintextension

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
)

const (
	minDelay = time.Second // Retry-After has whole seconds
	maxDelay = time.Hour
)

// Config is the YAML configuration of the extension.
type Config struct {
	// Delay is the shortest delay for a refused client, 1s to 1h; each answer has a random delay of one to two times that, so that clients that
	// were refused together do not retry together. Default 5s.
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
