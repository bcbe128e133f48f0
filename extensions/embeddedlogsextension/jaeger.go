package embeddedlogsextension

import (
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/jaegerapi"
	"github.com/penstockhq/penstock/internal/admin"
)

// bounds are those of queries that share the places.
func (e *logsExtension) bounds(queries *gate.Gate) bounded.Bounds {
	q := e.cfg.Query
	return bounded.Bounds{Timeout: q.Timeout, MaxLength: q.MaxLength, MaxRead: q.MaxRead, Queries: queries, Refused: e.refuseQuery}
}

// jaegerRoutes adds Jaeger's API for reading.
func (e *logsExtension) jaegerRoutes(mux *admin.Mux, queries *gate.Gate) {
	api := &jaegerapi.API{Store: e.use, ViewOf: viewOf, Bounds: e.bounds(queries)}
	for _, route := range api.Routes() {
		mux.HandleFunc(route.Pattern, reads, route.Handler)
	}
}
