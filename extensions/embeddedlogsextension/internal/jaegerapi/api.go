package jaegerapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// API serves the routes. All fields are required, but now.
type API struct {
	// Store returns the store; an error while it is not open.
	Store func() (*store.Store, error)
	// ViewOf says what the client of a request sees.
	ViewOf func(*http.Request) store.View
	Bounds bounded.Bounds

	now func() time.Time // time.Now, but in tests
}

// Route is a pattern of http.ServeMux.
type Route struct {
	Pattern string
	Handler http.HandlerFunc
}

// Routes are those that Grafana's data source and Jaeger's UI ask for traces and for dependencies.
func (a *API) Routes() []Route {
	return []Route{
		{"GET /api/services", a.serve(services)},
		{"GET /api/services/{service}/operations", a.serve(operationNames)},
		{"GET /api/operations", a.serve(operations)},
		{"GET /api/traces", a.serve(traces)},
		{"GET /api/traces/{id}", a.serve(oneTrace)},
		{"GET /api/dependencies", a.serve(dependencies)},
	}
}

// request is one whose bounds have let it in.
type request struct {
	*http.Request
	form   url.Values
	now    time.Time
	store  *store.Store
	reader bounded.Reader
}

// errNotFound says that the client sees no span of a trace.
var errNotFound = errors.New("trace not found")

func (a *API) serve(answer func(context.Context, *request) (*Answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var found *Answer
		err := a.Bounds.CheckLength("the parameters", r.URL.RawQuery)
		if err == nil {
			err = a.Bounds.Run(r.Context(), func(ctx context.Context) error {
				s, err := a.Store()
				if err != nil {
					return err
				}
				now := time.Now
				if a.now != nil {
					now = a.now
				}
				found, err = answer(ctx, &request{Request: r, form: r.URL.Query(), now: now(), store: s,
					reader: bounded.Reader{Store: s, View: a.ViewOf(r), Most: a.Bounds.MaxRead}})
				return err
			})
		}
		if err != nil {
			a.fail(w, r, err)
			return
		}
		write(w, r, http.StatusOK, found)
	}
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusNotFound
	if !errors.Is(err, errNotFound) {
		var reason string
		code, reason = bounded.Meaning(r.Context(), err)
		a.Bounds.Refused(reason)
	}
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	write(w, r, code, &Answer{Errors: []Error{{Code: code, Msg: err.Error()}}})
}

func write(w http.ResponseWriter, r *http.Request, code int, answer *Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if pretty := r.URL.Query().Get("prettyPrint"); pretty != "" && pretty != "false" {
		e.SetIndent("", "    ")
	}
	_ = e.Encode(answer) // the client is gone
}
