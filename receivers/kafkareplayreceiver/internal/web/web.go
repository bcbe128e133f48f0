// Package web is the common part of the receiver's APIs on the admin extension.
package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/admin"
)

// Limit bounds the time of a request, including dry runs; admin's write_timeout is 30s.
const Limit = 25 * time.Second

// Answer writes v as JSON.
func Answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client has disconnected
}

// Caller returns the client's name from the authenticator, and its address.
func Caller(r *http.Request) string { return At(cmp.Or(admin.Name(r.Context()), "somebody"), r) }

// At adds a client's address.
func At(who string, r *http.Request) string {
	from := r.RemoteAddr
	if addr := client.FromContext(r.Context()).Addr; addr != nil {
		from = addr.String()
	}
	return who + " at " + from
}
