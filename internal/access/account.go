package access

import (
	"context"
	"net"
	"net/netip"

	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/tenant"
)

// Account says to whom a request is charged where clients share something: the client, by its key or token, and its tenant. If no authenticator
// knows the client, the tenant that it names represents it, and otherwise its address (for IPv6 the /64 that one customer has).
func Account(ctx context.Context) (name, of string) {
	info := client.FromContext(ctx)
	of, _ = tenant.Client(ctx)
	if info.Auth != nil {
		if name, _ = info.Auth.GetAttribute("subject").(string); name != "" {
			return name, of
		}
	}
	if of == "" {
		name = address(info.Addr)
	}
	return name, of
}

func address(a net.Addr) string {
	if a == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() {
		return host
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return p.String()
}
