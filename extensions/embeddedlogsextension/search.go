package embeddedlogsextension

import (
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/searchapi"
	"github.com/penstockhq/penstock/internal/admin"
)

// queryable is an extension of this process that answers queries about what it stores: embedded_tsdb stores "metrics". The handler keeps to the
// tenant of access.Of.
type queryable interface {
	QueryAPI() (name string, h http.Handler)
}

// findMetrics returns the API of the store of metrics, nil where there is none. Of several the first by id counts.
func findMetrics(host component.Host) http.Handler {
	extensions := host.GetExtensions()
	ids := make([]component.ID, 0, len(extensions))
	for id := range extensions {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b component.ID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		if q, ok := extensions[id].(queryable); ok {
			if name, h := q.QueryAPI(); name == "metrics" {
				return h
			}
		}
	}
	return nil
}

// searchRoutes adds search, PromQL and correlation in plain JSON.
func (e *logsExtension) searchRoutes(mux *admin.Mux, queries *gate.Gate, host component.Host) {
	api := &searchapi.API{Store: e.use, ViewOf: viewOf, Metrics: findMetrics(host), Bounds: e.bounds(queries)}
	for _, route := range api.Routes() {
		mux.HandleFunc(route.Pattern, reads, route.Handler)
	}
}
