package adminextension

import (
	"errors"
	"fmt"
	"net"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/penstockhq/penstock/internal/httpguard"
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
	if httpguard.Beyond(endpoint) {
		return c.checkAnonymous(endpoint)
	}
	return nil
}

// checkAnonymous returns why the extension must not listen at address, which other machines reach.
func (c *Config) checkAnonymous(address string) error {
	if c.authenticated() || c.AllowAnonymous {
		return nil
	}
	return fmt.Errorf("allow_anonymous: %q is reachable from other machines and has no auth: set auth (or tls::client_ca_file), "+
		"a loopback endpoint, or allow_anonymous: true", address)
}

// authenticated says whether every request is checked: by an extension, or by its client certificate.
func (c *Config) authenticated() bool {
	tls := c.ServerConfig.TLS
	return c.ServerConfig.Auth.HasValue() || tls.HasValue() && tls.Get().ClientCAFile != ""
}
