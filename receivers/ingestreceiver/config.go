package ingestreceiver

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
)

// What happens to an item whose time is out of range.
const (
	markTime   = "mark"
	refuseTime = "refuse"
)

// Config is the YAML configuration of the receiver.
type Config struct {
	// HTTP is the listener, as for every HTTP receiver: endpoint, tls, auth, cors, max_request_body_size, timeouts.
	HTTP confighttp.ServerConfig `mapstructure:",squash"`
	// MaxItems is how many items a request may have. Default 1000.
	MaxItems int `mapstructure:"max_items"`
	// MaxConcurrent is how many requests may be read and processed at once; further ones get a retryable error. Default 64.
	MaxConcurrent int `mapstructure:"max_concurrent_requests"`
	// MaxAge is how old an item may be. Default 0: any age.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxFuture is how far an item's time may be ahead of this machine's clock. Default 10m; 0: any.
	MaxFuture time.Duration `mapstructure:"max_future"`
	// OnTime decides about an item beyond MaxAge or MaxFuture: mark (attribute ingest.time_out_of_range; metrics stay unchanged) or
	// refuse. Default mark.
	OnTime string `mapstructure:"on_time_out_of_range"`
	// Shippers bounds the requests of log shippers, which use the protocols of Loki, Elasticsearch and Splunk.
	Shippers ShippersConfig `mapstructure:"shippers"`
}

// ShippersConfig bounds the requests of log shippers, which send more at once than other clients.
type ShippersConfig struct {
	// MaxBody is how many bytes a body may have, compressed and decompressed. Default 20971520. A request uses one slot of
	// max_concurrent_requests for each started max_request_body_size.
	MaxBody int64 `mapstructure:"max_request_body_size"`
	// MaxItems is how many entries, documents or events a request may have. Default 100000.
	MaxItems int `mapstructure:"max_items"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	var errs error
	if c.MaxItems < 1 {
		errs = errors.Join(errs, fmt.Errorf("max_items: %d is not positive", c.MaxItems))
	}
	if c.MaxConcurrent < 1 {
		errs = errors.Join(errs, fmt.Errorf("max_concurrent_requests: %d is not positive", c.MaxConcurrent))
	}
	if c.MaxAge < 0 {
		errs = errors.Join(errs, fmt.Errorf("max_age: %s is negative", c.MaxAge))
	}
	if c.MaxFuture < 0 {
		errs = errors.Join(errs, fmt.Errorf("max_future: %s is negative", c.MaxFuture))
	}
	if c.OnTime != markTime && c.OnTime != refuseTime {
		errs = errors.Join(errs, fmt.Errorf("on_time_out_of_range: %q must be mark or refuse", c.OnTime))
	}
	if c.Shippers.MaxBody < 1 {
		errs = errors.Join(errs, fmt.Errorf("shippers::max_request_body_size: %d is not positive", c.Shippers.MaxBody))
	}
	if c.Shippers.MaxItems < 1 {
		errs = errors.Join(errs, fmt.Errorf("shippers::max_items: %d is not positive", c.Shippers.MaxItems))
	}
	return errs
}
