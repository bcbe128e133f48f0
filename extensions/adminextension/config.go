package adminextension

import (
	"errors"
	"fmt"
	"net"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/penstockhq/penstock/internal/listener"
)

// Config is the YAML configuration of the extension.
type Config struct {
	// ServerConfig is the listener: endpoint, tls, auth, timeouts. Default endpoint: 127.0.0.1:13134.
	ServerConfig confighttp.ServerConfig `mapstructure:",squash"`
	// TokenFile holds the admin token, which a client must send to delete, decrypt or replace something. It is made at the first
	// start. Default none: then such requests need auth.
	TokenFile string `mapstructure:"token_file"`
	// AllowAnonymous lets the extension listen beyond loopback without auth: everybody who reaches it can use the pages. Default false.
	AllowAnonymous bool `mapstructure:"allow_anonymous"`
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
	return c.access().CheckEndpoint(endpoint)
}

func (c *Config) access() listener.Access { return listener.Of(&c.ServerConfig, c.AllowAnonymous) }
