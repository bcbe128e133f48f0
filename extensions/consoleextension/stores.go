package consoleextension

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/admin"
)

// queryRoutes are what the console asks, by the name of the store. Nothing else of a store can be reached through it.
var queryRoutes = map[string][]string{
	"metrics": {"/api/v1/query", "/api/v1/query_range", "/api/v1/query_exemplars", "/api/v1/labels", "/api/v1/label/{name}/values", "/api/v1/series", "/api/v1/metadata"},
	"logs": {"/select/logsql/query", "/select/logsql/hits", "/select/logsql/field_names", "/select/logsql/field_values", "/select/logsql/streams",
		"/select/logsql/stats_query", "/select/logsql/stats_query_range", "/select/logsql/facets", "/select/logsql/tail"},
	"traces": {"/api/services", "/api/services/{service}/operations", "/api/operations", "/api/traces", "/api/traces/{id}", "/api/dependencies"},
}

// stores are those of this process by name.
type stores map[string]http.Handler

// find looks for those of the host.
func (s *stores) find(host component.Host) {
	*s = admin.QueryAPIs(host)
	// A store of logs keeps spans too, unless there is a store of its own for them.
	if h := (*s)["logs"]; h != nil && (*s)["traces"] == nil {
		(*s)["traces"] = h
	}
}

// names lists what is stored here.
func (s stores) names() []string {
	names := []string{}
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// serve adds the routes of all stores, below their names.
func (s stores) serve(mux *admin.Mux) {
	for _, name := range s.names() {
		h := unhurried(http.StripPrefix("/"+name, s[name]))
		for _, path := range queryRoutes[name] {
			mux.HandleFunc("GET /"+name+path, readers, h.ServeHTTP)
		}
	}
}

// unhurried lets answers that follow something take as long as the client listens; the listener would cut them after its write_timeout.
func unhurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tail") {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a writer that knows none has none
		}
		next.ServeHTTP(w, r)
	})
}
