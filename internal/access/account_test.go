package access_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/access"
)

func TestAccount(t *testing.T) {
	from := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711} }
	acme := client.NewMetadata(map[string][]string{"x-scope-orgid": {"acme"}})
	for name, c := range map[string]struct {
		info       client.Info
		client, of string
	}{
		"nothing is known":      {client.Info{}, "", ""},
		"an address":            {client.Info{Addr: from("192.0.2.1")}, "192.0.2.1", ""},
		"a network":             {client.Info{Addr: from("2001:db8::1:2:3")}, "2001:db8::/64", ""},
		"mapped":                {client.Info{Addr: from("::ffff:192.0.2.1")}, "192.0.2.1", ""},
		"a socket":              {client.Info{Addr: &net.UnixAddr{Name: "/run/x"}}, "/run/x", ""},
		"a tenant that it says": {client.Info{Addr: from("192.0.2.1"), Metadata: acme}, "", "acme"},
		"a key":                 {client.Info{Addr: from("192.0.2.1"), Metadata: acme, Auth: key{"subject": "API key x"}}, "API key x", "acme"},
		"a key without a name":  {client.Info{Addr: from("192.0.2.1"), Auth: key{}}, "192.0.2.1", ""},
	} {
		got, of := access.Account(client.NewContext(context.Background(), c.info))
		assert.Equal(t, c.client, got, name)
		assert.Equal(t, c.of, of, name)
	}
}
