package consoleextension

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// Interval is how often the collector's own metrics are read, for rates and sparklines. Default 5s.
	Interval time.Duration `mapstructure:"interval"`
	// MaxSeries bounds how many series of them are remembered, each for 180 intervals: 1.5 KB a series. Default 3000.
	MaxSeries int `mapstructure:"max_series"`
	// MaxTaps bounds how many taps on the pipelines are open at once, each with at most 800 KiB of records. Default 4; 0: none.
	MaxTaps int `mapstructure:"max_taps"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() (err error) {
	if c.Interval < time.Second || c.Interval > 5*time.Minute {
		err = errors.Join(err, fmt.Errorf("interval: %s must be from 1s to 5m", c.Interval))
	}
	if c.MaxSeries < 1 {
		err = errors.Join(err, fmt.Errorf("max_series: %d is not positive", c.MaxSeries))
	}
	if c.MaxTaps < 0 || c.MaxTaps > 100 {
		err = errors.Join(err, fmt.Errorf("max_taps: %d must be from 0 to 100", c.MaxTaps))
	}
	return err
}
