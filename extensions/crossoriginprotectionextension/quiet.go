package crossoriginprotectionextension

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

// quoting begins the part of a JSON decoder's error that quotes the request.
const quoting = ", error found in #"

// quietWriter removes from an OTLP receiver's answer 400 the parts of the request that its JSON decoder quotes: a body may contain secrets, which
// must not reach a store of error messages. Other answers pass unchanged.
type quietWriter struct {
	http.ResponseWriter
	held bool
	body bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *quietWriter) WriteHeader(code int) {
	if code == http.StatusBadRequest {
		w.held = true // sent by finish
		return
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *quietWriter) Write(p []byte) (int, error) {
	if w.held {
		return w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController access to the wrapped writer.
func (w *quietWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *quietWriter) finish() {
	if !w.held {
		return
	}
	answer := w.body.Bytes()
	var st spb.Status
	if protojson.Unmarshal(answer, &st) == nil && strings.Contains(st.GetMessage(), quoting) {
		// The text before the first colon is the decoder's function, a constant.
		where, _, _ := strings.Cut(st.GetMessage(), ": ")
		st.Message = "the body is not OTLP in JSON (" + where + ")"
		if quiet, err := protojson.Marshal(&st); err == nil {
			answer = quiet
		}
	}
	if w.Header().Get("Content-Length") != "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	}
	w.ResponseWriter.WriteHeader(http.StatusBadRequest)
	_, _ = w.ResponseWriter.Write(answer) // the client is gone
}
