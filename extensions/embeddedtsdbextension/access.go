package embeddedtsdbextension

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/crossorigin"
	"github.com/penstockhq/penstock/internal/slowbody"
)

// adminPrefix is the prefix of the routes that delete series, clean tombstones and take snapshots. All of them are POST or PUT.
const adminPrefix = "/api/v1/admin/"

// bodyPatience is how long the body of a request may take to arrive. Answers may take longer.
const bodyPatience = 30 * time.Second

// guarded refuses requests of web pages of other sites, and requires the admin token for the admin API.
func (e *tsdbExtension) guarded(host component.Host) http.Handler {
	authorizer, auditor := admin.FindAuthorizer(host), admin.FindAuditor(host)
	serve := http.HandlerFunc(e.serveQuietly)
	administered := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.administers(authorizer, w, r) {
			serve(w, r)
		}
	})
	open := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := path.Clean(r.URL.Path)
		switch {
		case !e.cfg.AdminAPI || !strings.HasPrefix(clean+"/", adminPrefix):
			serve(w, r)
		case admin.Changes(r.Method):
			admin.Audited(auditor, e.set.ID.String(), clean, administered, w, r)
		default:
			administered(w, r)
		}
	})
	return e.cfg.access().Rules(e.address).Handler(slowbody.Handler(open, bodyPatience), func(r *http.Request, reason crossorigin.Reason) { e.countRefused(r, string(reason)) })
}

// serveQuietly serves, and keeps the content of a request's body out of error answers.
func (e *tsdbExtension) serveQuietly(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		e.serve(w, r)
		return
	}
	quiet := &quietWriter{ResponseWriter: w, write: path.Clean(r.URL.Path) == writePath}
	if quiet.write {
		e.serveMetered(quiet, r)
	} else {
		e.serve(quiet, r)
	}
	if quiet.held != 0 && slowbody.Late(r) { // not a fault of the body: a sender discards a request that is answered with 400
		w.Header().Set("Retry-After", "1")
		quiet.held = http.StatusServiceUnavailable
	}
	quiet.finish()
}

// administers says whether the client may use the admin API, and answers the request otherwise.
func (e *tsdbExtension) administers(authorizer admin.Authorizer, w http.ResponseWriter, r *http.Request) bool {
	clean := path.Clean(r.URL.Path)
	scope := access.Admin
	if clean == apiPrefix+deletePath {
		scope = access.Erase
	}
	who, err := authorizer.Authorize(r, scope)
	switch {
	case errors.Is(err, admin.ErrNobody) && e.cfg.access().Authenticated:
		who = admin.Name(r.Context()) // The listener's own authentication is the only check here; guardRoute checks scopes.
	case err != nil && !access.Of(r.Context()).Open:
		e.forbid(w, r, err.Error())
		return false
	case err != nil:
		e.countRefused(r, "token")
		admin.Challenge(w.Header())
		apiError(w, http.StatusUnauthorized, "unauthorized", err.Error())
		return false
	}
	e.set.Logger.Named("audit").Info("admin API", zap.String("path", clean), zap.String("by", who), zap.String("remote", r.RemoteAddr))
	return true
}

func (e *tsdbExtension) countRefused(r *http.Request, reason string) {
	e.telemetry.ExtensionEmbeddedTsdbRefusedRequests.Add(context.WithoutCancel(r.Context()), 1,
		metric.WithAttributes(attribute.String("reason", reason)))
}

// apiError answers in the format of Prometheus' API.
func apiError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": message}) // the client is gone
}

// LocalAPI returns the API for this process, without authentication, token and guard, if this extension listens at endpoint (a URL). The handler
// answers 503 until the storage is open. It may be called once Start has returned.
func (e *tsdbExtension) LocalAPI(endpoint string) (h http.Handler, ok bool) {
	u, err := url.Parse(endpoint)
	if err != nil || strings.Trim(u.Path, "/") != "" {
		return nil, false
	}
	own, err := netip.ParseAddrPort(addressOf(e.address))
	if err != nil {
		return nil, false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if _, ownPort, _ := net.SplitHostPort(own.String()); port != ownPort || !reaches(u.Hostname(), own.Addr().Unmap()) {
		return nil, false
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.serve(w, r.WithContext(access.Without(r.Context())))
	}), true
}

// QueryAPI returns the API for the console, which has authenticated its clients: a client that is bound to a tenant can read only that tenant's
// series.
func (e *tsdbExtension) QueryAPI() (name string, h http.Handler) {
	return "metrics", http.HandlerFunc(e.serve)
}

func addressOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// reaches says whether a connection from this machine to host (localhost or an address) reaches a listener at own.
func reaches(host string, own netip.Addr) bool {
	anyLocal := own.IsLoopback() || own.IsUnspecified()
	if strings.EqualFold(host, "localhost") {
		return anyLocal
	}
	to, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return false
	case to.Unmap() == own:
		return true
	case to.IsUnspecified(): // The kernel connects to loopback.
		return anyLocal
	default:
		return to.IsLoopback() && own.IsUnspecified()
	}
}
