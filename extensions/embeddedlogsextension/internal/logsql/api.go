package logsql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/gate"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// Limits bound a query. All are required, but MaxRead.
type Limits struct {
	Timeout   time.Duration
	MaxLength int
	MaxRead   int64
	// Queries and Tails have the places.
	Queries, Tails *gate.Gate
}

// API serves the routes.
type API struct {
	// Store returns the store; an error while it is not open.
	Store func() (*store.Store, error)
	// ViewOf says what the client of a request sees.
	ViewOf func(*http.Request) store.View
	Limits Limits
	// Refused counts, by reason.
	Refused func(reason string)
	// Version is what /select/buildinfo says.
	Version string
}

// Prefix begins all routes.
const Prefix = "/select/"

// handler answers one route. The error is the client's answer unless something was written.
type handler func(ctx context.Context, q *request, w http.ResponseWriter) error

// Routes calls add for each route.
func (a *API) Routes(add func(path string, h http.HandlerFunc)) {
	for path, h := range map[string]handler{
		"query": rowsOf, "hits": hits, "facets": facets, "field_names": fieldNames, "field_values": fieldValues,
		"streams": streams, "stream_ids": streamIDs, "stream_field_names": streamFieldNames, "stream_field_values": streamFieldValues,
		"query_time_range": timeRange,
	} {
		add(Prefix+"logsql/"+path, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, h, plainError) })
	}
	for path, h := range map[string]handler{"stats_query": stats, "stats_query_range": statsRange} {
		add(Prefix+"logsql/"+path, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, h, prometheusError) })
	}
	add(Prefix+"logsql/tail", a.serveTail)
	add(Prefix+"buildinfo", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"status": "success", "data": map[string]string{"version": a.Version}})
	})
}

// serve runs a query within its bounds.
func (a *API) serve(w http.ResponseWriter, r *http.Request, h handler, failed func(http.ResponseWriter, int, error)) {
	began := time.Now()
	sent := &answer{ResponseWriter: w}
	err := a.bounded(r, func(ctx context.Context, q *request) error {
		q.began = began
		until, _ := ctx.Deadline()
		writeUntil(w, until)
		defer writeUntil(w, time.Time{}) // the connection has more requests
		return h(ctx, q, sent)
	})
	if err == nil {
		return
	}
	code, reason := bounded.Meaning(r.Context(), err)
	a.Refused(reason)
	if sent.begun {
		panic(http.ErrAbortHandler) // The client must not take half of a result for the whole.
	}
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	failed(w, code, err)
}

// writeUntil ends writes at a time, the zero time: never. A client that does not read what it asked for would keep its place from others for ever.
func writeUntil(w http.ResponseWriter, t time.Time) {
	_ = http.NewResponseController(w).SetWriteDeadline(t) // a writer that knows none has none
}

// bounded parses a request and waits for its place.
func (a *API) bounded(r *http.Request, f func(context.Context, *request) error) error {
	timeout, err := a.timeout(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	leave, err := a.Limits.Queries.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	q, err := a.parse(r)
	if err != nil {
		return err
	}
	err = f(ctx, q)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return fmt.Errorf("the query took longer than %s and read %d bytes; ask for less time, or for fewer fields (query::timeout): %w", timeout, q.read(), err)
	}
	return err
}

// timeout is what the client allows, at most ours.
func (a *API) timeout(r *http.Request) (time.Duration, error) {
	text := r.FormValue("timeout")
	if text == "" {
		return a.Limits.Timeout, nil
	}
	d, err := duration("timeout", text)
	if err != nil || d <= 0 {
		return 0, &store.QueryError{Err: fmt.Errorf("timeout: %q is no positive duration", text)}
	}
	return min(d, a.Limits.Timeout), nil
}

func plainError(w http.ResponseWriter, code int, err error) { http.Error(w, err.Error(), code) }

// prometheusError is for the routes that answer as Prometheus does.
func prometheusError(w http.ResponseWriter, code int, err error) {
	if code == http.StatusBadRequest {
		code = http.StatusUnprocessableEntity
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": strconv.Itoa(code), "error": err.Error()}) // the client is gone
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

// answer knows whether anything was sent.
type answer struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	a.begun = true
	a.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
