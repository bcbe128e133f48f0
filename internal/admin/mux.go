package admin

import (
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/access"
)

// Need is what a route requires from a client. The zero value requires nothing beyond the listener's own checks.
type Need struct {
	// Scopes: the client needs one of them.
	Scopes []string `json:"scopes,omitempty"`
	// Operator says that the answer is about all tenants, so only an operator gets it. Otherwise the handler answers only with data of the tenant
	// of access.Of.
	Operator bool `json:"operator,omitempty"`
	// Personal says that the answer can contain personal data, so the request is audited although it changes nothing.
	Personal bool `json:"personal,omitempty"`
}

// Allows says whether the client may use the route.
func (n Need) Allows(c access.Client) bool {
	return (!n.Operator || c.Operator()) && (len(n.Scopes) == 0 || c.May(n.Scopes...))
}

// Refusal is the message for a client that may not use the route: what it lacks.
func (n Need) Refusal(c access.Client) string {
	if len(n.Scopes) > 0 && !c.May(n.Scopes...) {
		return "this needs an API key with the scope " + strings.Join(n.Scopes, " or ")
	}
	return "this is about all tenants: it needs an API key with the scope " + access.Admin
}

// Route is one route of a listener.
type Route struct {
	Method string `json:"method,omitempty"` // empty: any
	Path   string `json:"path"`             // a pattern of http.ServeMux, without the method
	Need
}

// Routed is a handler with known routes. The admin extension checks their needs before it calls the handler; a handler that is not Routed is for
// operators only.
type Routed interface {
	http.Handler
	// Routes lists all routes.
	Routes() []Route
	// NeedOf returns the need of r's route; ok is false if there is no such route.
	NeedOf(r *http.Request) (n Need, ok bool)
}

// Mux is an http.ServeMux whose routes have needs. It does not check them itself. Add all routes before it serves.
type Mux struct {
	mux    http.ServeMux
	routes []Route
	needs  map[string]Need // by pattern
	outer  http.Handler    // nil: mux
	prefix string          // prefix of the paths, which requests lack
}

var _ Routed = (*Mux)(nil)

// HandleFunc adds a route: "GET /path".
func (m *Mux) HandleFunc(pattern string, need Need, h http.HandlerFunc) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "", pattern
	}
	m.routes = append(m.routes, Route{method, path, need})
	if m.needs == nil {
		m.needs = map[string]Need{}
	}
	m.needs[pattern] = need
	m.mux.HandleFunc(pattern, h)
}

// Within wraps all routes with a handler, such as a time-out.
func (m *Mux) Within(wrap func(http.Handler) http.Handler) { m.outer = wrap(&m.mux) }

// Below returns the routes for a mount that removes the prefix, such as /v1, from the path. h serves them, and sees the whole path.
func (m *Mux) Below(prefix string, h http.Handler) Routed {
	below := &Mux{outer: h, prefix: prefix}
	for _, route := range m.routes {
		if strings.HasPrefix(route.Path, prefix+"/") {
			below.HandleFunc(strings.TrimSpace(route.Method+" "+route.Path), route.Need, http.NotFound)
		}
	}
	return below
}

// Routes lists the routes in the order in which they were added.
func (m *Mux) Routes() []Route {
	all := slices.Clone(m.routes)
	for i := range all {
		all[i].Path = strings.TrimPrefix(all[i].Path, m.prefix)
	}
	return all
}

// NeedOf returns the need of r's route.
func (m *Mux) NeedOf(r *http.Request) (Need, bool) {
	_, pattern := m.mux.Handler(m.whole(r))
	n, ok := m.needs[pattern]
	return n, ok
}

// ServeHTTP serves a route.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.outer != nil {
		m.outer.ServeHTTP(w, m.whole(r))
		return
	}
	m.mux.ServeHTTP(w, r)
}

func (m *Mux) whole(r *http.Request) *http.Request {
	if m.prefix == "" {
		return r
	}
	to := r.Clone(r.Context())
	to.URL.Path, to.URL.RawPath = m.prefix+r.URL.Path, ""
	return to
}

// Declarer is implemented by an admin extension for components with their own listeners: it lists their routes beside its own, until remove is
// called.
type Declarer interface {
	Declare(listener string, routes []Route) (remove func())
}

// Declare lists the routes of a listener if there is an admin extension.
func Declare(host component.Host, listener string, routes []Route) (remove func()) {
	if d, ok := find[Declarer](host); ok {
		return d.Declare(listener, routes)
	}
	return func() {}
}
