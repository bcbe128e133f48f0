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
	// reads answer from the series of the client's tenant alone, or from nothing that is stored.
	reads = admin.Need{Scopes: []string{access.Read}}
	// writes store series as the client's tenant's.
	writes = admin.Need{Scopes: []string{access.Ingest, access.Forward}}
	// erases deletes series of the client's tenant alone.
	erases = admin.Need{Scopes: []string{access.Erase}}
	// operates is about the storage as a whole. A route of which nothing is known here is one too.
	operates = admin.Need{Operator: true}
)

// needs says what the routes need that Prometheus' API registers, by the names under which it does. Rules and alerts are the operator's:
// they read and write series of all tenants.
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

// probes tell nothing of what is stored.
var probes = []string{"/-/healthy", "/-/ready"}

// routes lists all of them, as the admin extension shows them.
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

// needOf returns what the route needs that was registered by that name.
func needOf(name string) admin.Need {
	if n, ok := needs[name]; ok {
		return n
	}
	return operates
}

// guardRoute refuses clients that may not use the route, and binds the others to their tenant.
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

// signed returns r such that the series that it writes are its tenant's: the key's, or the one that a client names which may forward.
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
