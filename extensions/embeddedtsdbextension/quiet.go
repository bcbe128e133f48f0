package embeddedtsdbextension

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// maxErrorBytes bounds an error answer.
const maxErrorBytes = 16 << 20

// maxRefusals bounds the kinds of errors in an answer to a write.
const maxRefusals = 20

var (
	// quoted is text that Prometheus puts between quotes of any kind: parts of the request, or names of parameters.
	quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|'(?:[^'\\\\]|\\\\.)*'")
	// parameters may stay quoted.
	parameters = []string{"query", "time", "start", "end", "step", "match[]", "limit", "timeout", "lookback_delta", "stats", "skip_head"}
)

// quietWriter removes from the answer to a POST or PUT everything that errors repeat of the request's body: a body may contain secrets, which must
// not reach a store of error messages. Success passes unchanged.
type quietWriter struct {
	http.ResponseWriter
	write bool // a remote write, whose errors show whole series
	held  int  // the status of an error, which finish sends
	body  bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (w *quietWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.held = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *quietWriter) Write(p []byte) (int, error) {
	if w.held != 0 {
		return w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController access to the wrapped writer.
func (w *quietWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *quietWriter) finish() {
	if w.held == 0 {
		return
	}
	answer := w.plain()
	var structured struct {
		Status    string          `json:"status"`
		ErrorType string          `json:"errorType"`
		Error     string          `json:"error"`
		Data      json.RawMessage `json:"data,omitempty"`
	}
	switch {
	case w.write:
		answer = []byte(withoutSeries(string(answer)))
	case json.Unmarshal(answer, &structured) == nil && structured.Error != "":
		structured.Error = withoutQuotations(structured.Error)
		if quiet, err := json.Marshal(structured); err == nil {
			answer = quiet
		}
	}
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeader(w.held)
	_, _ = w.ResponseWriter.Write(answer) // the client is gone
}

// plain returns the answer, decompressed: Prometheus' API compresses for clients that accept it. An unreadable answer is empty.
func (w *quietWriter) plain() []byte {
	var plain io.ReadCloser = io.NopCloser(&w.body)
	var err error
	switch w.Header().Get("Content-Encoding") {
	case "gzip":
		plain, err = gzip.NewReader(&w.body)
	case "deflate":
		plain, err = zlib.NewReader(&w.body)
	}
	if err != nil {
		return nil
	}
	w.Header().Del("Content-Encoding")
	answer, err := io.ReadAll(io.LimitReader(plain, maxErrorBytes))
	if errors.Join(err, plain.Close()) != nil {
		return nil
	}
	return answer
}

// withoutQuotations keeps the position and the kind of an error.
func withoutQuotations(message string) string {
	return quoted.ReplaceAllStringFunc(message, func(q string) string {
		if slices.Contains(parameters, q[1:len(q)-1]) {
			return q
		}
		return "…"
	})
}

// withoutSeries keeps the kinds of errors, one per line, with their counts.
func withoutSeries(message string) string {
	counts := map[string]int{}
	var kinds []string
	for line := range strings.Lines(message) {
		kind := strings.TrimRight(line, "\n")
		if i := strings.IndexAny(kind, "{["); i >= 0 { // a series, as text or as references
			kind = kind[:i] + "…"
		}
		if kind = withoutQuotations(kind); counts[kind] == 0 {
			kinds = append(kinds, kind)
		}
		counts[kind]++
	}
	var out strings.Builder
	for i, kind := range kinds {
		if i == maxRefusals {
			fmt.Fprintf(&out, "and %d other kinds of errors\n", len(kinds)-i)
			break
		}
		out.WriteString(kind)
		if n := counts[kind]; n > 1 {
			fmt.Fprintf(&out, " (%d times)", n)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
