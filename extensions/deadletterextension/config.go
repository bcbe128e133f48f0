package deadletterextension

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
)

const minSize = 64 << 20 // a dead letter may be as large as a request

// Config is the YAML configuration of the extension.
type Config struct {
	// Directory holds the dead letters, and in `parked` the requests that wait for a failing server. Required.
	Directory string `mapstructure:"directory"`
	// MaxSize bounds the bytes of all dead letters; at the bound the oldest are deleted and counted. Default 1 GiB.
	MaxSize int64 `mapstructure:"max_size"`
	// MaxParked is how many requests of one signal to one server may be parked. 0 parks none. Default 16.
	MaxParked int `mapstructure:"max_parked"`
	// RetryInterval is the time between two attempts to send parked requests. Default 15s.
	RetryInterval time.Duration `mapstructure:"retry_interval"`
	// MaxDelay bounds the delay that a server may request. Default 5m.
	MaxDelay time.Duration `mapstructure:"max_delay"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() (err error) {
	if c.Directory == "" {
		err = errors.Join(err, errors.New("directory: must be set"))
	}
	if c.MaxSize < minSize {
		err = errors.Join(err, fmt.Errorf("max_size: %d must be at least %d", c.MaxSize, minSize))
	}
	if c.MaxParked < 0 {
		err = errors.Join(err, fmt.Errorf("max_parked: %d must not be negative", c.MaxParked))
	}
	if c.RetryInterval <= 0 {
		err = errors.Join(err, fmt.Errorf("retry_interval: %s must be positive", c.RetryInterval))
	}
	if c.MaxDelay <= 0 {
		err = errors.Join(err, fmt.Errorf("max_delay: %s must be positive", c.MaxDelay))
	}
	return err
}
