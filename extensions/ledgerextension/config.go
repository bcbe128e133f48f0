package ledgerextension

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// MaxScan bounds how many bytes of a partition an answer reads to count what is still buffered, 0: nothing is read. Default 64 MiB.
	MaxScan int64 `mapstructure:"max_scan"`
	// Timeout bounds an answer. Default 20s.
	Timeout time.Duration `mapstructure:"timeout"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() (err error) {
	if c.MaxScan < 0 {
		err = errors.Join(err, fmt.Errorf("max_scan: %d must not be negative", c.MaxScan))
	}
	if c.Timeout < time.Second || c.Timeout > 25*time.Second { // admin's write_timeout is 30s
		err = errors.Join(err, fmt.Errorf("timeout: %s must be from 1s to 25s", c.Timeout))
	}
	return err
}
