package lokiapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
)

// Prefix begins all paths but that of the probe.
const Prefix = "/loki/api/v1"

// maxForm bounds the body of a query.
const maxForm = 1 << 20

// Gate has places for queries. Enter returns when there is one, which leave gives back; an error: too many are taken.
type Gate interface {
	Enter(ctx context.Context) (leave func(), err error)
}

// Settings say what is answered from. All are required.
type Settings struct {
	// Source returns what a client may read; an error while it can't be read.
	Source func(r *http.Request) (logqlengine.Source, error)
	Limits logqlengine.Limits
	// MaxLength bounds the text of a query, in bytes.
	MaxLength int
	// Queries and Tails have the places.
	Queries, Tails Gate
	// Refused counts, by reason: that of a logqlengine.LimitError, max_length, busy, bad_query, canceled, not_ready.
	Refused func(reason string)
	// Version is that of the program.
	Version string
}

// API is the handlers.
type API struct {
	Settings
	now func() time.Time
}

// New makes the handlers.
func New(s Settings) *API { return &API{s, time.Now} }

// Route is a path in the form of http.ServeMux, without a method.
type Route struct {
	Path    string
	Handler http.HandlerFunc
}

// Routes are all that Loki's clients ask for when they read. Probe needs no permission.
func (a *API) Routes() []Route {
	return []Route{
		{Prefix + "/query", a.reading(a.query)},
		{Prefix + "/query_range", a.reading(a.queryRange)},
		{Prefix + "/labels", a.reading(a.labels)},
		{Prefix + "/label", a.reading(a.labels)},
		{Prefix + "/label/{name}/values", a.reading(a.labelValues)},
		{Prefix + "/series", a.reading(a.series)},
		{Prefix + "/index/stats", a.reading(a.indexStats)},
		{Prefix + "/index/volume", a.reading(a.volume)},
		{Prefix + "/index/volume_range", a.reading(a.volumeRange)},
		{Prefix + "/detected_labels", a.reading(a.detectedLabels)},
		{Prefix + "/detected_fields", a.reading(a.detectedFields)},
		{Prefix + "/detected_field/{name}/values", a.reading(a.detectedValues)},
		{Prefix + "/format_query", a.reading(a.formatQuery)},
		{Prefix + "/tail", a.tail},
		{Prefix + "/status/buildinfo", a.buildInfo},
		{Prefix + "/patterns", unsupported("patterns")},
		{Prefix + "/rules", unsupported("rules")},
	}
}

// Ready answers Loki's probe.
func Ready(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ready\n"))
}

func unsupported(what string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, what+" are not supported", http.StatusNotFound)
	}
}

// badRequest is a mistake of the client.
type badRequest struct{ error }

func bad(format string, args ...any) error { return badRequest{fmt.Errorf(format, args...)} }

// request is one with its form and its source.
type request struct {
	*http.Request
	source logqlengine.Source
	engine *logqlengine.Engine
	now    time.Time
	syntax logql.Limits
}

// busyError and notReadyError are over after a while.
type (
	busyError     struct{ error }
	notReadyError struct{ error }
)

// reading parses the form of GET and POST, and answers what the function returns as JSON.
func (a *API) reading(answer func(*request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			w.Header().Set("Allow", "GET, POST")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		data, err := a.answer(r, answer)
		if err != nil {
			a.fail(w, err)
			return
		}
		writeJSON(w, data)
	}
}

// answer waits for a place, for no longer than a query may take.
func (a *API) answer(r *http.Request, answer func(*request) (any, error)) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), a.Limits.Timeout)
	defer cancel()
	leave, err := a.Queries.Enter(ctx)
	if err != nil {
		return nil, busyError{err}
	}
	defer leave()
	req, err := a.open(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	data, err := answer(req)
	if errors.Is(err, context.DeadlineExceeded) {
		err = logqlengine.Timeout(a.Limits.Timeout)
	}
	return data, err
}

func (a *API) open(r *http.Request) (*request, error) {
	if err := r.ParseForm(); err != nil {
		return nil, bad("%w", err)
	}
	source, err := a.Source(r)
	if err != nil {
		return nil, notReadyError{err}
	}
	syntax := logql.DefaultLimits
	syntax.Length = a.MaxLength
	return &request{r, source, logqlengine.New(source, a.Limits), a.now(), syntax}, nil
}

// fail answers an error as Loki does: as text.
func (a *API) fail(w http.ResponseWriter, err error) {
	status, reason := statusOf(err)
	a.Refused(reason)
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, err.Error(), status)
}

func statusOf(err error) (status int, reason string) {
	const closedRequest = 499 // of who doesn't read it
	if limit, ok := errors.AsType[*logqlengine.LimitError](err); ok {
		if limit.Reason == "timeout" {
			return http.StatusGatewayTimeout, limit.Reason
		}
		return http.StatusBadRequest, limit.Reason
	}
	if _, ok := errors.AsType[busyError](err); ok {
		return http.StatusTooManyRequests, "busy"
	}
	if _, ok := errors.AsType[notReadyError](err); ok {
		return http.StatusServiceUnavailable, "not_ready"
	}
	if errors.Is(err, context.Canceled) {
		return closedRequest, "canceled"
	}
	_, syntax := errors.AsType[*logql.Error](err)
	_, pipeline := errors.AsType[*logqlengine.PipelineError](err)
	_, form := errors.AsType[badRequest](err)
	if syntax || pipeline || form || errors.Is(err, logqlengine.ErrLogInstant) || errors.Is(err, logqlengine.ErrMatching) {
		return http.StatusBadRequest, "bad_query"
	}
	return http.StatusServiceUnavailable, "not_ready" // the storage closes, or says that it can't
}

func writeJSON(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(data)
}

type success struct {
	Status string `json:"status"`
	Data   any    `json:"data,omitempty"`
}

func succeeded(data any) success { return success{"success", data} }

func (a *API) formatQuery(r *request) (any, error) {
	e, err := r.parse(r.Form.Get("query"))
	if err != nil {
		return nil, err
	}
	return succeeded(e.String()), nil
}

func (r *request) parse(text string) (logql.Expr, error) {
	if len(text) > r.syntax.Length {
		return nil, logqlengine.TooMuch("max_length", fmt.Sprintf("the query has %d bytes, more than %d (query::max_length)", len(text), r.syntax.Length))
	}
	return logql.Parse(text, r.syntax)
}

func (a *API) buildInfo(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]string{
		"version": a.Version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	})
}
