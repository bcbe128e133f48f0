package syslogserverreceiver

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // 450 KB: an empty container image has no time zones

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/penstockhq/penstock/internal/sockets"
)

const (
	leastMessage = 4 << 10
	mostMessage  = 16 << 20
)

// Config is the YAML configuration of the receiver.
type Config struct {
	// Endpoint is where to listen, addresses separated by commas: udp://host:port, tcp://host:port, tls://host:port, unixgram:///path, or
	// host:port for UDP and TCP, the latter with TLS if TLS is configured. Default 127.0.0.1:514.
	Endpoint string `mapstructure:"endpoint"`
	// TLS is the certificate of the addresses with TLS. With a client_ca_file senders need a certificate too.
	TLS configoptional.Optional[configtls.ServerConfig] `mapstructure:"tls"`
	// Location is the time zone of messages without one, such as Europe/Berlin. Default: that of this process.
	Location string `mapstructure:"location"`
	// ServiceName is the service.name of messages without an application. Default syslog.
	ServiceName string `mapstructure:"service_name"`
	// MaxMessageSize bounds a record in bytes. A longer message is split, and so is one for which the buffers have no room. Default 16
	// MiB.
	MaxMessageSize int `mapstructure:"max_message_size"`
	// MaxConnections bounds the connections that are open at once. Default 256.
	MaxConnections int `mapstructure:"max_connections"`
}

func createDefaultConfig() component.Config {
	return &Config{Endpoint: "127.0.0.1:514", ServiceName: "syslog", MaxMessageSize: mostMessage, MaxConnections: 256}
}

// Validate returns all problems at once.
func (c *Config) Validate() error {
	addresses, err := c.addresses()
	for _, a := range addresses {
		if a.Network == sockets.TLS && !c.TLS.HasValue() {
			err = errors.Join(err, fmt.Errorf("tls: tls://%s needs cert_file and key_file", a.Address))
		}
	}
	if c.TLS.HasValue() {
		if t := c.TLS.Get(); t.CertFile == "" && t.CertPem == "" || t.KeyFile == "" && t.KeyPem == "" {
			err = errors.Join(err, errors.New("tls: a certificate (cert_file) and its key (key_file) are needed"))
		}
	}
	if _, zoneErr := c.location(); zoneErr != nil {
		err = errors.Join(err, fmt.Errorf("location: %q is not a time zone such as Europe/Berlin", c.Location))
	}
	if c.ServiceName == "" {
		err = errors.Join(err, errors.New("service_name: is empty"))
	}
	if c.MaxMessageSize < leastMessage || c.MaxMessageSize > mostMessage {
		err = errors.Join(err, fmt.Errorf("max_message_size: %d is not between %d and %d", c.MaxMessageSize, leastMessage, mostMessage))
	}
	if c.MaxConnections < 1 {
		err = errors.Join(err, fmt.Errorf("max_connections: %d is less than 1", c.MaxConnections))
	}
	return err
}

func (c *Config) addresses() (all []sockets.Address, err error) {
	for text := range strings.SplitSeq(c.Endpoint, ",") {
		some, parseErr := sockets.Parse(strings.TrimSpace(text), c.TLS.HasValue())
		if parseErr != nil {
			err = errors.Join(err, fmt.Errorf("endpoint: %w", parseErr))
			continue
		}
		all = append(all, some...)
	}
	return all, err
}

func (c *Config) location() (*time.Location, error) {
	if c.Location == "" {
		return time.Local, nil
	}
	return time.LoadLocation(c.Location)
}
