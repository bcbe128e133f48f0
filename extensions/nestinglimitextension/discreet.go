package nestinglimitextension

import (
	"bytes"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// quoted is how an error of the decoder of JSON begins to quote the request.
var quoted = []byte("bigger context")

// discreetWriter passes answers on, but for what a decoder says of a body that it can't read: that repeats a part of the body, which may
// be personal data or a secret, in logs of clients and proxies.
type discreetWriter struct {
	http.ResponseWriter
	kind    string
	refused bool // the status is 400, and nothing has been written yet
}

func (w *discreetWriter) WriteHeader(code int) {
	if code == http.StatusBadRequest {
		w.refused = true
		return
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *discreetWriter) Write(b []byte) (int, error) {
	if !w.refused {
		return w.ResponseWriter.Write(b)
	}
	w.refused = false
	if bytes.Contains(b, quoted) {
		w.Header().Del("Content-Length")
		write(w.ResponseWriter, w.kind, http.StatusBadRequest, status.New(codes.InvalidArgument, "the request is not valid OTLP").Proto())
		return len(b), nil
	}
	w.ResponseWriter.WriteHeader(http.StatusBadRequest)
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *discreetWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
