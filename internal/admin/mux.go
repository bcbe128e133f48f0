package admin

import (
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/access"
)

// Need is what a route asks of a client. The zero value asks nothing beyond what the listener asks.
type Need struct {
	// Scopes: the client needs one of them.
	Scopes []string `json:"scopes,omitempty"`
	// Operator: the answer is about all tenants, so only an operator gets it. Without it the handler answers with what belongs to the
	// tenant of access.Of alone.
	Operator bool `json:"operator,omitempty"`
	// Personal: the answer can hold personal data, so it is audited although it changes nothing.
	Personal bool `json:"personal,omitempty"`
}

// Allows says whether the client may use the route.
func (n Need) Allows(c access.Client) bool {
	return (!n.Operator || c.Operator()) && (len(n.Scopes) == 0 || c.May(n.Scopes...))
}

// Refusal says to a client that may not use the route what it lacks.
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

// Routed is a handler whose routes are known. The admin extension checks what they need before it calls the handler; of a handler that is
// not Routed it lets only operators see anything.
type Routed interface {
	http.Handler
	// Routes lists all routes.
	Routes() []Route
	// NeedOf returns what the route of r needs; ok is false where there is no such route.
	NeedOf(r *http.Request) (n Need, ok bool)
}

// Mux is an http.ServeMux each of whose routes says what it needs. It checks nothing by itself. Routes are added before it serves.
type Mux struct {
	mux    http.ServeMux
	routes []Route
	needs  map[string]Need // by pattern
	outer  http.Handler    // nil: mux
	prefix string          // of paths, which requests come without
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

// Within puts all routes behind the handler that wrap makes of them: a time-out.
func (m *Mux) Within(wrap func(http.Handler) http.Handler) { m.outer = wrap(&m.mux) }

// Below returns the routes for a mount that takes the prefix, such as /v1, off the path. h serves them, and sees the whole path.
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

// NeedOf returns what the route of r needs.
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

// Declarer is what an admin extension offers to components with listeners of their own: it lists their routes beside its own, until
// remove is called.
type Declarer interface {
	Declare(listener string, routes []Route) (remove func())
}

// Declare lists the routes of a listener where there is an admin extension.
func Declare(host component.Host, listener string, routes []Route) (remove func()) {
	if d, ok := find[Declarer](host); ok {
		return d.Declare(listener, routes)
	}
	return func() {}
}
