package embeddedtsdbextension

import (
	"fmt"
	"runtime/debug"
)

// prometheusVersion is the release of Prometheus whose code this is: its module v0.313.2 is the release 3.13.2. Grafana
// chooses by it what it may ask. Without build information, as in some tests, it is that of a release that has it all.
func prometheusVersion() string {
	const known = "3.13.2"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return known
	}
	for _, m := range info.Deps {
		if m.Path != "github.com/prometheus/prometheus" {
			continue
		}
		var minor, patch int
		if _, err := fmt.Sscanf(m.Version, "v0.%d.%d", &minor, &patch); err == nil {
			return fmt.Sprintf("%d.%d.%d", minor/100, minor%100, patch)
		}
	}
	return known
}
