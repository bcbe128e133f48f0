package access

import "go.opentelemetry.io/collector/component"

// Named says whether an authenticator of the host names tenants: what came as the default tenant may come as another's then.
func Named(host component.Host) bool {
	for _, e := range host.GetExtensions() {
		if a, ok := e.(interface{ NamesTenants() bool }); ok && a.NamesTenants() {
			return true
		}
	}
	return false
}
