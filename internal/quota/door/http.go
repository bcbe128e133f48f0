package door

import (
	"errors"
	"mime"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Hint sets Retry-After for a refusal. It returns false if err is not a refusal.
func Hint(h http.Header, err error) bool {
	var refused *Error
	if !errors.As(err, &refused) {
		return false
	}
	h.Set("Retry-After", strconv.Itoa(refused.Seconds()))
	return true
}

// Refuse answers a request of OTLP/HTTP with 429, Retry-After and a google.rpc.Status in the encoding of the request. err is *Error.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refused *Error
	if !errors.As(err, &refused) {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	Hint(w.Header(), refused)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	marshal := proto.Marshal
	if kind != "application/x-protobuf" {
		kind, marshal = "application/json", protojson.Marshal
	}
	text, _ := marshal(refused.GRPCStatus().Proto()) // of ASCII and a number: can't fail
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write(text) // the client is gone
}
