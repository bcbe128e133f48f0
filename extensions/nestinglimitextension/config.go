package nestinglimitextension

import (
	"fmt"

	"go.opentelemetry.io/collector/component"
)

const (
	minDepth = 16    // an OTLP request without any nested value has 8
	maxDepth = 10000 // a decoder takes about 500 bytes of stack a level
)

// Config is the YAML configuration of the extension.
type Config struct {
	// MaxDepth is how many messages, or JSON objects and arrays, may lie in each other, 16 to 10000. An array or map in an
	// attribute takes two (protobuf) or three (JSON). Default 250.
	MaxDepth int `mapstructure:"max_depth"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	if c.MaxDepth < minDepth || c.MaxDepth > maxDepth {
		return fmt.Errorf("max_depth: %d is not between %d and %d", c.MaxDepth, minDepth, maxDepth)
	}
	return nil
}
