package adminextension

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/penstockhq/penstock/internal/access"
	adminapi "github.com/penstockhq/penstock/internal/admin"
)

const routesPath = "/v1/routes"

// listed is a route with its listener.
type listed struct {
	Listener string `json:"listener"`
	adminapi.Route
}

// declared are the routes of listeners of other components. The zero value is ready; it is safe for concurrent use.
type declared struct {
	mu  sync.Mutex
	all map[*[]listed]struct{} // guarded by mu
}

var _ adminapi.Declarer = (*admin)(nil)

// Declare lists the routes of another listener beside those of this one, until remove is called, which may be repeated.
func (a *admin) Declare(listener string, routes []adminapi.Route) (remove func()) {
	own := &[]listed{}
	for _, r := range routes {
		*own = append(*own, listed{listener, r})
	}
	a.declared.mu.Lock()
	defer a.declared.mu.Unlock()
	if a.declared.all == nil {
		a.declared.all = map[*[]listed]struct{}{}
	}
	a.declared.all[own] = struct{}{}
	return func() {
		a.declared.mu.Lock()
		defer a.declared.mu.Unlock()
		delete(a.declared.all, own)
	}
}

// ownRoutes are the routes that the extension itself serves.
var ownRoutes = []adminapi.Route{
	{Method: http.MethodGet, Path: "/{$}"},
	{Method: http.MethodGet, Path: healthPath},
	{Method: http.MethodGet, Path: routesPath, Need: adminapi.Need{Operator: true}},
}

// routes lists the routes of all listeners.
func (a *admin) routes() []listed {
	const name = "admin"
	var all []listed
	for _, r := range ownRoutes {
		all = append(all, listed{name, r})
	}
	for _, m := range a.mounts.list() {
		for _, r := range m.routes() {
			r.Path = "/" + m.id + r.Path
			all = append(all, listed{name, r})
		}
	}
	a.declared.mu.Lock()
	defer a.declared.mu.Unlock()
	for own := range a.declared.all {
		all = append(all, *own...)
	}
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return all
}

func (a *admin) serveRoutes(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the list of routes is read only", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{"routes": a.routes()}) // the client is gone
}

// allowed says whether the client may use the route, and answers the request otherwise.
func (a *admin) allowed(w http.ResponseWriter, r *http.Request, need adminapi.Need) bool {
	c := access.Of(r.Context())
	if need.Allows(c) {
		return true
	}
	a.refused(r, "scope")
	http.Error(w, need.Refusal(c), http.StatusForbidden)
	return false
}

// anyRoute represents the routes of a handler that does not declare them.
var anyRoute = adminapi.Route{Path: "/", Need: adminapi.Need{Operator: true}}

// routes lists the mount's routes.
func (m *mount) routes() []adminapi.Route {
	if routed, ok := m.handler.(adminapi.Routed); ok {
		return routed.Routes()
	}
	return []adminapi.Route{anyRoute}
}

// needOf returns the needs of r's route. The mount's prefix has been removed from r's path.
func (m *mount) needOf(r *http.Request) adminapi.Need {
	routed, ok := m.handler.(adminapi.Routed)
	if !ok {
		return anyRoute.Need
	}
	need, _ := routed.NeedOf(r) // an unknown route gets 404 from the handler
	return need
}

// shown says whether the client may see any route of the mount.
func (m *mount) shown(c access.Client) bool {
	return slices.ContainsFunc(m.routes(), func(r adminapi.Route) bool { return r.Allows(c) })
}
