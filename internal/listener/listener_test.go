package listener_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/penstockhq/penstock/internal/listener"
)

func TestWhoMayReachAListener(t *testing.T) {
	auth, certificates, plainTLS := confighttp.NewDefaultServerConfig(), confighttp.NewDefaultServerConfig(), confighttp.NewDefaultServerConfig()
	auth.Auth = configoptional.Some(confighttp.AuthConfig{})
	certificates.TLS = configoptional.Some(configtls.ServerConfig{ClientCAFile: "ca.crt"})
	plainTLS.TLS = configoptional.Some(configtls.ServerConfig{})
	open := confighttp.NewDefaultServerConfig()
	loopback, everywhere := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4zero}
	for name, c := range map[string]struct {
		server         *confighttp.ServerConfig
		allowAnonymous bool
		open           bool // beyond loopback
		localNames     bool // on loopback
	}{
		"nothing":             {&open, false, false, true},
		"auth":                {&auth, false, true, false},
		"client certificates": {&certificates, false, true, false},
		"TLS alone":           {&plainTLS, false, false, true},
		"permitted":           {&open, true, true, true},
	} {
		a := listener.Of(c.server, c.allowAnonymous)
		assert.NoError(t, a.CheckEndpoint("127.0.0.1:9090"), name)
		assert.NoError(t, a.CheckEndpoint("a-name:9090"), name)
		assert.NoError(t, a.CheckAddress(loopback), name)
		assert.Equal(t, c.localNames, a.Rules(loopback).LocalNames, name)
		assert.False(t, a.Rules(everywhere).LocalNames, name)
		for _, err := range []error{a.CheckEndpoint("0.0.0.0:9090"), a.CheckAddress(everywhere)} {
			if c.open {
				assert.NoError(t, err, name)
			} else {
				assert.ErrorContains(t, err, "allow_anonymous: ", name)
			}
		}
	}
}

func ExampleAccess_CheckEndpoint() {
	fmt.Println(listener.Access{}.CheckEndpoint("0.0.0.0:9090"))
	// Output:
	// allow_anonymous: "0.0.0.0:9090" is reachable from other machines and has no auth: set auth (or tls::client_ca_file), a loopback endpoint, or allow_anonymous: true
}
