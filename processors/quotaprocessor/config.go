package quotaprocessor

import (
	"fmt"

	"go.opentelemetry.io/collector/component"
)

// Config is the YAML configuration of the processor.
type Config struct {
	// OnLimit is the reaction to a request past a quota: refuse makes the receiver retry, drop drops and counts it. Default refuse.
	OnLimit string `mapstructure:"on_limit"`
	// Usage reports items and bytes by tenant and service to the ledger extension, for a collector without a journal: with one, everything would
	// count twice. Default false.
	Usage bool `mapstructure:"usage"`
}

// The values of on_limit.
const (
	onLimitRefuse = "refuse"
	onLimitDrop   = "drop"
)

var _ component.Config = (*Config)(nil)

func createDefaultConfig() component.Config { return &Config{OnLimit: onLimitRefuse} }

// Validate reports mistakes of the configuration.
func (c *Config) Validate() error {
	if c.OnLimit != onLimitRefuse && c.OnLimit != onLimitDrop {
		return fmt.Errorf("on_limit: %q must be %s or %s", c.OnLimit, onLimitRefuse, onLimitDrop)
	}
	return nil
}
