package quotaprocessor

import (
	"fmt"

	"go.opentelemetry.io/collector/component"
)

// Config is the YAML configuration of the processor.
type Config struct {
	// OnLimit says what becomes of a request past a quota: refuse tells the receiver to come again, drop drops it and counts. Default refuse.
	OnLimit string `mapstructure:"on_limit"`
	// Usage tells the ledger extension what comes, by tenant and service, where no journal does: with one, all would count twice. Default false.
	Usage bool `mapstructure:"usage"`
}

// What on_limit can be.
const (
	onLimitRefuse = "refuse"
	onLimitDrop   = "drop"
)

var _ component.Config = (*Config)(nil)

func createDefaultConfig() component.Config { return &Config{OnLimit: onLimitRefuse} }

// Validate reports what is wrong.
func (c *Config) Validate() error {
	if c.OnLimit != onLimitRefuse && c.OnLimit != onLimitDrop {
		return fmt.Errorf("on_limit: %q must be %s or %s", c.OnLimit, onLimitRefuse, onLimitDrop)
	}
	return nil
}
