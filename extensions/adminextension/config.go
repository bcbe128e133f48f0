package adminextension

import (
	"errors"
	"fmt"
	"net"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// ServerConfig is the listener: endpoint, tls, auth, timeouts. Default endpoint: 127.0.0.1:13134.
	ServerConfig confighttp.ServerConfig `mapstructure:",squash"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() error {
	endpoint := c.ServerConfig.NetAddr.Endpoint
	if endpoint == "" {
		return errors.New("endpoint: must be set, for example 127.0.0.1:13134")
	}
	if c.ServerConfig.NetAddr.Transport == "unix" {
		return nil
	}
	if _, _, err := net.SplitHostPort(endpoint); err != nil {
		return fmt.Errorf("endpoint: %q is not host:port: %w", endpoint, err)
	}
	return nil
}
