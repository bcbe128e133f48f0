// Package web is what the receiver's APIs on the admin extension have in common.
package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/admin"
)

// Limit bounds what a request may take, dry runs included; admin's write_timeout is 30s.
const Limit = 25 * time.Second

// Answer writes v as JSON.
func Answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client is gone
}

// Caller says who asks: who the authenticator says, and from where.
func Caller(r *http.Request) string { return At(cmp.Or(admin.Name(r.Context()), "somebody"), r) }

// At says where a client is.
func At(who string, r *http.Request) string {
	from := r.RemoteAddr
	if addr := client.FromContext(r.Context()).Addr; addr != nil {
		from = addr.String()
	}
	return who + " at " + from
}
