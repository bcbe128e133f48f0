//go:build full

package e2e

import (
	"fmt"
	"testing"

	"github.com/penstockhq/penstock/testbed/backends/prometheus"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// The same against a real Prometheus, by remote write.
func TestUserIDExplosionIntoPrometheus(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			address := prometheus.Start(t)
			p := process.Start(t, process.Settings{Configs: []string{guardedConfig(t,
				"endpoint: http://"+address+"/api/v1/write, max_shards: 1", "", "")}})
			explode(t, p, address, explosion{partition: "gateway-1", page: "cardinality_guard", restart: restarts[restart]})
		})
	}
}
