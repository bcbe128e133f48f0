package embeddedtsdbextension

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/tenant"
)

const (
	deletePath = "/admin/tsdb/delete_series"
	apiPrefix  = "/api/v1"
)

var (
	// reads routes answer from the series of the client's tenant only, or from nothing that is stored.
	reads = admin.Need{Scopes: []string{access.Read}}
	// writes routes store series for the client's tenant.
	writes = admin.Need{Scopes: []string{access.Ingest, access.Forward}}
	// erases routes delete series of the client's tenant only.
	erases = admin.Need{Scopes: []string{access.Erase}}
	// operates routes are about the storage as a whole. A route that is not in needs counts as one.
	operates = admin.Need{Operator: true}
)

// needs has the needs of the routes that Prometheus' API registers, by the names under which it does. Rules and alerts belong to the operator: they
// read and write series of all tenants.
var needs = map[string]admin.Need{
	"/*path":       {}, // OPTIONS
	"/query":       reads,
	"/query_range": reads, "/query_exemplars": reads, "/format_query": reads, "/parse_query": reads, "/labels": reads, "/label/:name/values": reads,
	"/series": reads, "/metadata": reads, "/read": reads, "/search/metric_names": reads, "/search/label_names": reads, "/search/label_values": reads,
	"/status/buildinfo": reads, "/features": reads, "/openapi.yaml": reads,
	"/write": writes, "/otlp/v1/metrics": writes,
	deletePath:                     erases,
	"/admin/tsdb/clean_tombstones": operates, "/admin/tsdb/snapshot": operates,
	"/scrape_pools": operates, "/targets": operates, "/targets/metadata": operates, "/targets/relabel_steps": operates, "/alertmanagers": operates,
	"/status/config": operates, "/status/runtimeinfo": operates, "/status/flags": operates, "/status/tsdb": operates, "/status/tsdb/blocks": operates,
	"/status/self_metrics": operates, "/status/walreplay": operates, "/notifications": operates, "/notifications/live": operates,
	"/alerts": operates, "/rules": operates, "/metrics": operates,
}

// probes show nothing of the stored data.
var probes = []string{"/-/healthy", "/-/ready"}

// routes lists all routes, as the admin extension shows them.
func routes() (all []admin.Route) {
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		path := strings.ReplaceAll(apiPrefix+name, ":name", "{name}")
		switch name {
		case "/metrics":
			path = name
		case "/*path":
			continue // answers OPTIONS with nothing
		}
		all = append(all, admin.Route{Path: path, Need: needs[name]})
	}
	for _, path := range probes {
		all = append(all, admin.Route{Path: path})
	}
	return all
}

// needOf returns the need of the route that was registered by that name.
func needOf(name string) admin.Need {
	if n, ok := needs[name]; ok {
		return n
	}
	return operates
}

// guardRoute refuses clients that may not use the route, and restricts the others to their tenant.
func (e *tsdbExtension) guardRoute(name string, next http.HandlerFunc) http.HandlerFunc {
	need := needOf(name)
	return func(w http.ResponseWriter, r *http.Request) {
		c := access.Of(r.Context())
		if name == deletePath && r.ParseForm() == nil {
			admin.Detail(r.Context(), "match", strings.Join(r.Form["match[]"], " "))
		}
		if slices.Equal(need.Scopes, writes.Scopes) {
			r = e.signed(r)
		}
		switch one, limited := c.Tenant(); {
		case !need.Allows(c):
			e.forbid(w, r, need.Refusal(c))
		case limited && e.cfg.TenantLabel == "":
			e.forbid(w, r, "the storage does not keep tenants apart: tenant_label is not set")
		case limited:
			next(w, r.WithContext(database.View{Label: e.cfg.TenantLabel, Value: one}.With(r.Context())))
		default:
			next(w, r)
		}
	}
}

func (e *tsdbExtension) forbid(w http.ResponseWriter, r *http.Request, why string) {
	e.countRefused(r, "scope")
	apiError(w, http.StatusForbidden, "forbidden", why)
}

// signed returns r in a form that writes its series for the tenant: the key's, or the one that a forwarding client names.
func (e *tsdbExtension) signed(r *http.Request) *http.Request {
	c := access.Of(r.Context())
	if c.Open || e.cfg.TenantLabel == "" {
		return r
	}
	s := database.Signature{Label: e.cfg.TenantLabel, Value: c.Own()}
	if c.May(access.Forward) {
		s.Value, _ = tenant.Client(r.Context())
		if s.Value == "" {
			s.Value, s.Keep = tenant.Default, true
		}
	}
	return r.WithContext(s.With(r.Context()))
}
