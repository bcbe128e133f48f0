// Package admin lets components show a page or an API on the admin extension, and check permissions for irreversible operations with it, without
// depending on it.
package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"
)

// ConsoleID is the id under which the console is mounted, which shows the pages of all components.
const ConsoleID = "console"

// ErrNobody says that no client can be authorized: the collector has no admin extension.
var ErrNobody = errors.New("this needs the admin token, and this collector has no admin extension that could check it")

// Mounter is implemented by an admin extension: it serves h under /<id>/, with that prefix stripped, until unmount is called, which may be
// repeated. An id that is already used is an error.
type Mounter interface {
	Mount(id, title string, h http.Handler) (unmount func(), err error)
}

// Authorizer is implemented by an admin extension. It returns the name of r's client if the client has the scope (access.Erase, access.Decrypt,
// ...); otherwise an error for the client. r may come from any listener.
type Authorizer interface {
	Authorize(r *http.Request, scope string) (who string, err error)
}

// Find returns the host's admin extension; ok is false if it has none.
func Find(host component.Host) (m Mounter, ok bool) { return find[Mounter](host) }

// FindAuthorizer returns the host's admin extension; without one, an Authorizer that refuses every client with ErrNobody.
func FindAuthorizer(host component.Host) Authorizer {
	if a, ok := find[Authorizer](host); ok {
		return a
	}
	return refuseAll{}
}

func find[T any](host component.Host) (found T, ok bool) {
	for _, e := range host.GetExtensions() {
		if found, ok = e.(T); ok {
			return found, true
		}
	}
	return found, false
}

// refuseAll authorizes no client.
type refuseAll struct{}

func (refuseAll) Authorize(*http.Request, string) (string, error) { return "", ErrNobody }

// Authorized serves a request that a authorizes for the scope, and answers others with 401 and what they lack.
func Authorized(a Authorizer, scope string, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.Authorize(r, scope); err != nil {
			Challenge(w.Header())
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		serve(w, r)
	}
}

// Challenge sets the headers of an answer with 401, for a client without authorization.
func Challenge(h http.Header) {
	h.Set("WWW-Authenticate", `Bearer realm="admin token"`)
	h.Set("Cache-Control", "no-store")
}

// Name returns the client's name according to the listener's authenticator; empty without an authenticator, or if it has no names. A name that the
// client itself sends does not count.
func Name(ctx context.Context) string {
	auth := client.FromContext(ctx).Auth
	if auth == nil {
		return ""
	}
	for _, attribute := range []string{"subject", "username", "sub", "name", "email"} {
		if v, ok := auth.GetAttribute(attribute).(string); ok && v != "" {
			return v
		}
	}
	return ""
}

// Moved redirects browsers from the root of a component's mount to the console's view of the component.
func Moved(id component.ID, view string) http.HandlerFunc {
	up := strings.Repeat("../", strings.Count(id.String(), "/")+1)
	return func(w http.ResponseWriter, _ *http.Request) { Redirect(w, up+ConsoleID+"/#/"+view) }
}

// Redirect redirects the client to an address relative to the requested one: the listener may be below another server's prefix, which http.Redirect
// does not know.
func Redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
}

// Mount registers h with the admin extension, if there is one. It returns a function to call on shutdown. If a page can't be registered, the start
// continues, and the log says so.
func Mount(host component.Host, id component.ID, title string, h http.Handler, log *zap.Logger) (unmount func()) {
	if m, ok := Find(host); ok {
		unmount, err := m.Mount(id.String(), title, h)
		if err == nil {
			return unmount
		}
		log.Warn("No admin page", zap.Error(err))
	}
	return func() {}
}
