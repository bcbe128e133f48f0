package nestinglimitextension

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/cost"
)

const (
	minDepth = 16    // an OTLP request without any nested value has 8
	maxDepth = 10000 // a decoder uses about 500 bytes of stack per level
)

// Config is the YAML configuration of the extension.
type Config struct {
	// MaxDepth is how deeply messages may be nested, 16 to 10000. An array or map in an attribute adds two levels. A deeper item is left out.
	// Default 250.
	MaxDepth int `mapstructure:"max_depth"`
	// MaxItems is how many log records, spans or data points a request may have. Default 500000.
	MaxItems int `mapstructure:"max_items"`
	// MaxResources is how many resources a request may have. Default 50000.
	MaxResources int `mapstructure:"max_resources"`
	// MaxScopes is how many scopes a request may have. Default 50000.
	MaxScopes int `mapstructure:"max_scopes"`
	// MaxAttributes is the largest number of attributes of one resource, scope, record, span or point, or of entries of one map. Default 4096.
	MaxAttributes int `mapstructure:"max_attributes"`
	// MaxDecodedSize is the estimated memory in bytes that a decoded request may take. Default 134217728.
	MaxDecodedSize int `mapstructure:"max_decoded_size"`
	// MaxRequestSize is how many bytes a request over HTTP may have after decompression, if the receiver leaves that to this
	// extension (compression_algorithms: []). Default 33554432.
	MaxRequestSize int `mapstructure:"max_request_size"`
	// MaxItemSize is the largest size in bytes of one log record, span or data point in protobuf, together with its resource and scope: a size that
	// every later hop accepts. A larger item is left out. Default 20971520.
	MaxItemSize int `mapstructure:"max_item_size"`
	// MaxInFlight bounds the memory in bytes of all decoded requests that have not been answered; further requests get a retryable error. Default
	// 268435456.
	MaxInFlight int64 `mapstructure:"max_in_flight"`
	// MaxReading bounds the bytes of all incomplete requests. At the bound, further requests get a retryable error, and requests that have been
	// arriving for more than two seconds are ended. Default 134217728.
	MaxReading int64 `mapstructure:"max_reading"`
	// ReadTimeout is how long a request may take to arrive after its headers. Default 30s.
	ReadTimeout time.Duration `mapstructure:"read_timeout"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	var errs error
	if c.MaxDepth < minDepth || c.MaxDepth > maxDepth {
		errs = errors.Join(errs, fmt.Errorf("max_depth: %d is not between %d and %d", c.MaxDepth, minDepth, maxDepth))
	}
	for _, key := range []struct {
		name  string
		value int64
	}{
		{"max_items", int64(c.MaxItems)}, {"max_resources", int64(c.MaxResources)}, {"max_scopes", int64(c.MaxScopes)},
		{"max_attributes", int64(c.MaxAttributes)}, {"max_decoded_size", int64(c.MaxDecodedSize)}, {"max_request_size", int64(c.MaxRequestSize)},
		{"max_item_size", int64(c.MaxItemSize)}, {"max_in_flight", c.MaxInFlight},
	} {
		if key.value < 1 {
			errs = errors.Join(errs, fmt.Errorf("%s: %d is not positive", key.name, key.value))
		}
	}
	if c.MaxItemSize > c.MaxRequestSize {
		errs = errors.Join(errs, fmt.Errorf("max_item_size: %d is more than max_request_size (%d)", c.MaxItemSize, c.MaxRequestSize))
	}
	if c.MaxReading < 3*int64(c.MaxRequestSize) {
		errs = errors.Join(errs, fmt.Errorf("max_reading: %d is less than three times max_request_size (%d): a request is held as received, decompressed and as protobuf",
			c.MaxReading, c.MaxRequestSize))
	}
	if c.ReadTimeout <= 0 {
		errs = errors.Join(errs, fmt.Errorf("read_timeout: %s is not positive", c.ReadTimeout))
	}
	return errs
}

func (c *Config) limits() cost.Limits {
	return cost.Limits{Depth: c.MaxDepth, Items: c.MaxItems, Resources: c.MaxResources, Scopes: c.MaxScopes,
		Attributes: c.MaxAttributes, Size: c.MaxDecodedSize}
}
