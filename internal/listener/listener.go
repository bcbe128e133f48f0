// Package listener decides, for HTTP listeners that the collector's confighttp opens, whether other machines may reach them, and which requests of
// web pages they refuse.
package listener

import (
	"fmt"
	"net"

	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/penstockhq/penstock/internal/crossorigin"
)

// Access is the configuration of a listener. The zero value is a loopback listener without authentication.
type Access struct {
	// Authenticated listeners check every request: by an extension, or by the client's certificate.
	Authenticated bool
	// AllowAnonymous permits other machines to use a listener without authentication.
	AllowAnonymous bool
}

// Of returns the Access of c.
func Of(c *confighttp.ServerConfig, allowAnonymous bool) Access {
	certificates := c.TLS.HasValue() && c.TLS.Get().ClientCAFile != ""
	return Access{Authenticated: c.Auth.HasValue() || certificates, AllowAnonymous: allowAnonymous}
}

// CheckEndpoint returns an error if a listener must not use a configured host:port. CheckAddress checks what a name resolves to.
func (a Access) CheckEndpoint(endpoint string) error {
	if !crossorigin.Beyond(endpoint) {
		return nil
	}
	return a.anonymous(endpoint)
}

// CheckAddress returns an error if the listener must not serve at its address.
func (a Access) CheckAddress(address net.Addr) error {
	if crossorigin.Loopback(address) {
		return nil
	}
	return a.anonymous(address.String())
}

func (a Access) anonymous(address string) error {
	if a.Authenticated || a.AllowAnonymous {
		return nil
	}
	return fmt.Errorf("allow_anonymous: %q is reachable from other machines and has no auth: set auth (or tls::client_ca_file), "+
		"a loopback endpoint, or allow_anonymous: true", address)
}

// Rules are the rules of a listener at address, for pages and for APIs whose clients are programs.
func (a Access) Rules(address net.Addr) crossorigin.Rules {
	return crossorigin.Rules{LocalNames: crossorigin.Loopback(address) && !a.Authenticated}
}
