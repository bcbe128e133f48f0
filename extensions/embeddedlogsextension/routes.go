package embeddedlogsextension

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logsql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/crossorigin"
	"github.com/penstockhq/penstock/internal/slowbody"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/usage"
)

// bodyPatience is how long the body of a request may take to arrive. Answers may take longer.
const bodyPatience = 30 * time.Second

var (
	// reads answer from the rows of the client's tenant alone.
	reads = admin.Need{Scopes: []string{access.Read}}
	// administers show what the operator has set up.
	administers = admin.Need{Scopes: []string{access.Admin}}
	// erases delete rows of the client's tenant alone.
	erases = admin.Need{Scopes: []string{access.Erase}}
)

// routes are all of the listener.
func (e *logsExtension) routes(host component.Host) *admin.Mux {
	mux := &admin.Mux{}
	q := e.cfg.Query
	queries := gate.New(q.MaxConcurrency, q.MaxWaiting, e.meterQuery).Paced(e.pace)
	tails := gate.New(q.MaxTails, 0, func(context.Context, time.Duration) {}) // each look of a tail is a query
	api := &logsql.API{
		Store: e.use, ViewOf: viewOf, Refused: e.refuseQuery, Version: e.set.BuildInfo.Version,
		Limits: logsql.Limits{Timeout: q.Timeout, MaxLength: q.MaxLength, MaxRead: q.MaxRead, Queries: queries, Tails: tails},
	}
	api.Routes(func(path string, h http.HandlerFunc) { mux.HandleFunc(path, reads, h) })
	e.lokiRoutes(mux, queries, tails)
	e.jaegerRoutes(mux, queries)
	e.searchRoutes(mux, queries, host)
	mux.HandleFunc("POST /delete/run_task", erases, e.eraser(host))
	mux.HandleFunc("GET /api/v1/rules", administers, e.listRules)
	mux.HandleFunc("GET /health", admin.Need{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") })
	return mux
}

// viewOf is what the client of a request sees: its tenant. An operator sees all, or the tenant that it names.
func viewOf(r *http.Request) store.View {
	if one, limited := access.Of(r.Context()).Tenant(); limited {
		return store.View{Tenant: one}
	}
	if one := r.Header.Get(tenant.MetadataKey); one != "" {
		return store.View{Tenant: one}
	}
	return store.View{All: true}
}

// guarded keeps web pages of other sites out, and clients that may not use a route.
func (e *logsExtension) guarded() http.Handler {
	open := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		need, known := e.mux.NeedOf(r)
		if c := access.Of(r.Context()); known && !need.Allows(c) {
			e.countRefused(r, "scope")
			http.Error(w, need.Refusal(c), http.StatusForbidden)
			return
		}
		e.serve(w, r)
	})
	return e.cfg.access().Rules(e.address).Handler(slowbody.Handler(open, bodyPatience), func(r *http.Request, reason crossorigin.Reason) { e.countRefused(r, string(reason)) })
}

// serve serves a route to a client that may use it. A tail has no end of its own, so it ends with the client's key.
func (e *logsExtension) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/tail") {
		ctx, stop := access.WhileValid(r.Context())
		defer stop()
		r = r.WithContext(ctx)
	}
	e.mux.ServeHTTP(w, r)
}

func (e *logsExtension) countRefused(r *http.Request, reason string) {
	e.telemetry.ExtensionEmbeddedLogsRefusedRequests.Add(context.WithoutCancel(r.Context()), 1, metric.WithAttributes(attribute.String("reason", reason)))
}

// meterQuery counts how long a query of the client's tenant had its place.
func (e *logsExtension) meterQuery(ctx context.Context, took time.Duration) {
	usage.Queried(ctx, e.usage, e.set.ID.String(), took)
}

func (e *logsExtension) refuseQuery(reason string) {
	e.telemetry.ExtensionEmbeddedLogsRefusedQueries.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", reason)))
}

// eraser deletes the rows of a filter. What is asked for is in the audit log, whatever comes of it.
func (e *logsExtension) eraser(host component.Host) http.HandlerFunc {
	authorizer, auditor := admin.FindAuthorizer(host), admin.FindAuditor(host)
	return func(w http.ResponseWriter, r *http.Request) {
		admin.Audited(auditor, e.set.ID.String(), path.Clean(r.URL.Path), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := authorizer.Authorize(r, access.Erase)
			switch {
			case errors.Is(err, admin.ErrNobody) && e.cfg.access().Authenticated: // The listener's own authentication is all there is.
			case err != nil && !access.Of(r.Context()).Open:
				e.countRefused(r, "scope")
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			case err != nil:
				e.countRefused(r, "token")
				admin.Challenge(w.Header())
				http.Error(w, err.Error(), http.StatusUnauthorized)
				return
			}
			e.erase(w, r)
		}), w, r)
	}
}

// erase answers when the rows are gone. Parameters: filter (LogsQL without pipes), tenant (an operator's; default all), signal (logs or traces).
func (e *logsExtension) erase(w http.ResponseWriter, r *http.Request) {
	filter, signal, whose := strings.TrimSpace(r.FormValue("filter")), store.Logs, r.FormValue("tenant")
	admin.Detail(r.Context(), "filter", filter)
	admin.Detail(r.Context(), "tenant", whose)
	if filter == "" {
		http.Error(w, "filter: it must not be empty; * is all rows", http.StatusBadRequest)
		return
	}
	switch r.FormValue("signal") {
	case "", "logs":
	case "traces":
		signal = store.Traces
	default:
		http.Error(w, "signal: it is neither logs nor traces", http.StatusBadRequest)
		return
	}
	if one, limited := access.Of(r.Context()).Tenant(); limited {
		if whose != "" && whose != one {
			http.Error(w, "tenant: this is not the key's", http.StatusForbidden)
			return
		}
		if whose = one; whose == "" {
			http.Error(w, "the key has no tenant", http.StatusForbidden)
			return
		}
	}
	s, err := e.use()
	if err == nil {
		id := rand.Text()
		if err = s.Erase(r.Context(), store.Erasure{ID: id, Signal: signal, Tenant: whose, Filter: filter, At: time.Now()}); err == nil {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]string{"task_id": id}) // the client is gone
			return
		}
	}
	var bad *store.QueryError
	if errors.As(err, &bad) {
		http.Error(w, "filter: "+err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

// QueryAPI returns the API for the console, which has authenticated its clients: a client that is bound to a tenant sees its rows alone.
func (e *logsExtension) QueryAPI() (name string, h http.Handler) {
	return "logs", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := e.use(); err != nil { // the routes are there when the storage is
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		e.serve(w, r)
	})
}
