package embeddedlogsextension

import (
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/searchapi"
	"github.com/penstockhq/penstock/internal/admin"
)

// searchRoutes adds search, PromQL and correlation in plain JSON.
func (e *logsExtension) searchRoutes(mux *admin.Mux, queries *gate.Gate, host component.Host) {
	api := &searchapi.API{Store: e.use, ViewOf: viewOf, Metrics: admin.QueryAPIs(host)["metrics"], Bounds: e.bounds(queries)}
	for _, route := range api.Routes() {
		mux.HandleFunc(route.Pattern, reads, route.Handler)
	}
}
