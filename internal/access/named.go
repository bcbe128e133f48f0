package access

import "go.opentelemetry.io/collector/component"

// Named says whether an authenticator of the host names tenants: then data of the default tenant may later arrive under another tenant.
func Named(host component.Host) bool {
	for _, e := range host.GetExtensions() {
		if a, ok := e.(interface{ NamesTenants() bool }); ok && a.NamesTenants() {
			return true
		}
	}
	return false
}
