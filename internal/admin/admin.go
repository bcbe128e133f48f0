// Package admin lets components show a page or an API on the admin extension, and ask it who may change what can't be undone,
// without depending on it.
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

// ConsoleID is where the console is mounted, which shows the pages of all components.
const ConsoleID = "console"

// ErrNobody says that nobody can be authorized: the collector has no admin extension.
var ErrNobody = errors.New("this needs the admin token, and this collector has no admin extension that could check it")

// Mounter is what an admin extension offers: h is served under /<id>/, with that prefix stripped, until unmount is called,
// which may be repeated. A taken id is an error.
type Mounter interface {
	Mount(id, title string, h http.Handler) (unmount func(), err error)
}

// Authorizer is what an admin extension offers: who sends r, if that client may do what needs the scope (access.Erase, access.Decrypt,
// ...); otherwise an error for the client to read. r may come from any listener.
type Authorizer interface {
	Authorize(r *http.Request, scope string) (who string, err error)
}

// Find returns the host's admin extension; ok is false if it has none.
func Find(host component.Host) (m Mounter, ok bool) { return find[Mounter](host) }

// FindAuthorizer returns the host's admin extension; without one, an Authorizer that refuses everybody with ErrNobody.
func FindAuthorizer(host component.Host) Authorizer {
	if a, ok := find[Authorizer](host); ok {
		return a
	}
	return nobody{}
}

func find[T any](host component.Host) (found T, ok bool) {
	for _, e := range host.GetExtensions() {
		if found, ok = e.(T); ok {
			return found, true
		}
	}
	return found, false
}

// nobody is authorized.
type nobody struct{}

func (nobody) Authorize(*http.Request, string) (string, error) { return "", ErrNobody }

// Challenge sets the headers that belong to an answer with 401, which a client without authorization gets.
func Challenge(h http.Header) {
	h.Set("WWW-Authenticate", `Bearer realm="admin token"`)
	h.Set("Cache-Control", "no-store")
}

// Name returns who the listener's authenticator says that the client is; empty without an authenticator, or where it knows no names.
// What a client says of itself is no name.
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

// Moved sends browsers from the root of a component's mount to the view of the console that shows it.
func Moved(id component.ID, view string) http.HandlerFunc {
	up := strings.Repeat("../", strings.Count(id.String(), "/")+1)
	return func(w http.ResponseWriter, _ *http.Request) { Redirect(w, up+ConsoleID+"/#/"+view) }
}

// Redirect sends the client to an address relative to the one that it asked for: the listener may be below another server's prefix, which
// http.Redirect does not know.
func Redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
}

// Mount shows h on the admin extension, where there is one. It returns a function to call on shutdown. A page that can't be
// shown is no reason not to start: the log says so.
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
