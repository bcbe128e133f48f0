package ingestreceiver

import (
	_ "embed" // the description
	"net/http"
)

// openAPI describes the listener. Tests hold it against the code, and a fuzzer holds the binary against it.
//
//go:embed openapi.yaml
var openAPI []byte

// describe answers with the listener's description.
func describe(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "only GET and HEAD are allowed")
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(openAPI) // the client has disconnected
}
