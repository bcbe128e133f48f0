package embeddedtsdbextension

import (
	"fmt"
	"runtime/debug"
)

// prometheusVersion is the Prometheus release of this code: its module v0.313.2 is the release 3.13.2. Grafana chooses its requests by it. Without
// build information, as in some tests, it is the version of a release with all features.
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
