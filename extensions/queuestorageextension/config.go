package queuestorageextension

import (
	"errors"
	"fmt"
	"os"

	"go.opentelemetry.io/collector/component"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// Directory holds one file for each queue. It is created if it is missing, and belongs to one process. Required.
	Directory string `mapstructure:"directory"`
	// FSync makes every write wait for the disk, so that an acknowledged request also survives a power cut. Default true; with false it survives a
	// crash of the process only.
	FSync bool `mapstructure:"fsync"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	if c.Directory == "" {
		return errors.New("directory: must be set")
	}
	if info, err := os.Stat(c.Directory); err == nil && !info.IsDir() {
		return fmt.Errorf("directory: %q is not a directory", c.Directory)
	}
	return nil
}
