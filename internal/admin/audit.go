package admin

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/access"
)

// Event is a line of the audit log: who requested what, from where, and the result. It never contains a key or a token.
type Event struct {
	Time     time.Time `json:"time"`
	Who      string    `json:"who"` // as the authenticator says: "API key <id>"; "somebody" where nobody asks
	From     string    `json:"from"`
	Tenant   string    `json:"tenant,omitempty"` // the tenant to which the client is restricted; empty: an operator
	Listener string    `json:"listener"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	// Details are the handler's information about the request: selectors of a deletion, the reason of a decryption.
	Details map[string]string `json:"details,omitempty"`
	Status  int               `json:"status"` // of the answer
	Result  string            `json:"result"` // done, refused or failed
}

// Auditor is implemented by an admin extension: it writes events to the audit log. It is safe for concurrent use.
type Auditor interface{ Audit(e Event) }

// FindAuditor returns the host's admin extension; without one, an Auditor that writes nothing.
func FindAuditor(host component.Host) Auditor {
	if a, ok := find[Auditor](host); ok {
		return a
	}
	return unaudited{}
}

type unaudited struct{}

func (unaudited) Audit(Event) {}

// pending is the event of a request that is being served.
type pending struct {
	mu      sync.Mutex
	who     string            // guarded by mu
	details map[string]string // guarded by mu
}

type pendingKey struct{}

// maxDetail bounds the text of a detail.
const maxDetail = 1024

// Detail adds information about the request to its audit line, if it gets one. Long values are truncated.
func Detail(ctx context.Context, name, value string) {
	p, ok := ctx.Value(pendingKey{}).(*pending)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.details == nil {
		p.details = map[string]string{}
	}
	p.details[name] = value[:min(len(value), maxDetail)]
}

// By sets the client's name if the listener's authenticator does not know it; an Authorizer does.
func By(ctx context.Context, who string) {
	if p, ok := ctx.Value(pendingKey{}).(*pending); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.who = who
	}
}

// Audited serves r with next and gives the auditor a line about it, even if next panics. path is the listener's path; r may have only a part of it.
func Audited(a Auditor, listener, path string, next http.Handler, w http.ResponseWriter, r *http.Request) {
	p := &pending{}
	r = r.WithContext(context.WithValue(r.Context(), pendingKey{}, p))
	answer := &statusWriter{ResponseWriter: w}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		tenant, _ := access.Of(r.Context()).Tenant()
		from := r.RemoteAddr
		if addr := client.FromContext(r.Context()).Addr; addr != nil {
			from = addr.String()
		}
		a.Audit(Event{
			Time: time.Now().UTC(), Who: cmp.Or(Name(r.Context()), p.who, "somebody"), From: from, Tenant: tenant, Listener: listener,
			Method: r.Method, Path: path, Details: p.details, Status: answer.code(), Result: result(answer.status),
		})
	}()
	next.ServeHTTP(answer, r)
}

// Changes says whether a request with the method may change something.
func Changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// result of an answer; status 0: the handler has panicked, or written nothing.
func result(status int) string {
	switch {
	case status == 0, status >= http.StatusInternalServerError:
		return "failed"
	case status >= http.StatusBadRequest:
		return "refused"
	}
	return "done"
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) code() int { return cmp.Or(w.status, http.StatusInternalServerError) }

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (int, error) {
	w.status = cmp.Or(w.status, http.StatusOK)
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController access to the wrapped writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
