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
	// TokenFile holds the admin token, which a client must send to delete, decrypt or replace something. It is created at the first start. Default
	// none: then such requests need auth.
	TokenFile string `mapstructure:"token_file"`
	// Audit is the log of changes and of access to personal data.
	Audit AuditConfig `mapstructure:"audit"`
	// AllowAnonymous lets the extension listen beyond loopback without auth: every client that reaches it can use the pages. Default false.
	AllowAnonymous bool `mapstructure:"allow_anonymous"`
}

// AuditConfig is the destination of audit lines, and how many are kept.
type AuditConfig struct {
	// File is a file of JSON lines, created with mode 0600 in a directory of mode 0700. Default none: there is no audit log.
	File string `mapstructure:"file"`
	// MaxSize is the size in MiB at which the file is renamed and a new one begun. Default 100.
	MaxSize int `mapstructure:"max_size_mib"`
	// MaxFiles is how many renamed files are kept; the oldest is deleted first. Default 10; 0: all.
	MaxFiles int `mapstructure:"max_files"`
}

// Validate reports all problems of the section at once.
func (c *AuditConfig) Validate() error {
	var errs error
	if c.MaxSize < 1 {
		errs = errors.Join(errs, fmt.Errorf("max_size_mib: %d is not positive", c.MaxSize))
	}
	if c.MaxFiles < 0 {
		errs = errors.Join(errs, fmt.Errorf("max_files: %d is negative", c.MaxFiles))
	}
	return errs
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
