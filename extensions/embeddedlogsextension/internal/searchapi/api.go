package searchapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/timeutil"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	// mostBody bounds the body of a request.
	mostBody = 1 << 20
	// defaultRange is the time of a request that names none, up to now.
	defaultRange = time.Hour
	// mostMetrics bounds the answer of the metrics' store that a correlation reads.
	mostMetrics = 16 << 20
)

// API serves the routes. All fields are required, but Metrics.
type API struct {
	// Store returns the store; an error while it is not open.
	Store func() (*store.Store, error)
	// ViewOf says what the client of a request sees.
	ViewOf func(*http.Request) store.View
	// Metrics is the HTTP API of Prometheus over the series that the client of the request sees; nil where this process stores none.
	Metrics http.Handler
	Bounds  bounded.Bounds
}

// Route is a pattern of http.ServeMux.
type Route struct {
	Pattern string
	Handler http.HandlerFunc
}

// Routes are all of the API.
func (a *API) Routes() []Route {
	return []Route{
		{"POST /api/v1/logs/search", a.serve(a.search)},
		{"GET /api/v1/metrics/query", a.metrics},
		{"POST /api/v1/query/correlate", a.serve(a.correlate)},
	}
}

// errNoMetrics says that there is nothing to ask.
var errNoMetrics = errors.New("no embedded_tsdb runs in this process, so it stores no metrics: ask the Prometheus that does")

func bad(format string, args ...any) error {
	return &store.QueryError{Err: fmt.Errorf(format, args...)}
}

// request is one whose bounds have let it in.
type request struct {
	*http.Request
	body   []byte
	began  time.Time
	store  *store.Store
	reader bounded.Reader
}

// serve reads the body of a POST and answers JSON.
func (a *API) serve(answer func(context.Context, *request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
		if err != nil {
			a.fail(w, r, bad("the body: %w", err))
			return
		}
		var found any
		err = a.Bounds.Run(r.Context(), func(ctx context.Context) error {
			s, err := a.Store()
			if err != nil {
				return err
			}
			found, err = answer(ctx, &request{r, body, began, s, bounded.Reader{Store: s, View: a.ViewOf(r), Most: a.Bounds.MaxRead}})
			return err
		})
		if err != nil {
			a.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, found)
	}
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	code, reason := bounded.Meaning(r.Context(), err)
	if errors.Is(err, errNoMetrics) {
		code, reason = http.StatusNotFound, "bad_query"
	}
	a.Bounds.Refused(reason)
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, code, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the client is gone
}

// decode reads the body. A key that is not known is refused: a filter with a mistake in its name would find too much.
func (r *request) decode(into any) error {
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return badBody(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("the body: there is something behind the JSON object")
	}
	return nil
}

// badBody says what is wrong with a body, without Go's names.
func badBody(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return bad("the body is empty")
	case !errors.As(err, &wrong):
		return bad("the body: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	expected := map[reflect.Kind]string{reflect.String: "a text", reflect.Int: "a whole number", reflect.Map: "an object", reflect.Struct: "an object"}[wrong.Type.Kind()]
	return bad("%s: %s where %s is expected", cmp.Or(wrong.Field, "the body"), wrong.Value, cmp.Or(expected, "something else"))
}

// moment is a time as a client writes it, a text or a number.
type moment string

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(text []byte) error {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
	case string:
		*m = moment(v)
	case json.Number:
		*m = moment(v)
	default:
		*m = moment(text) // which parseTime refuses, with the name of the key
	}
	return nil
}

// timeRange is [start, end): RFC 3339, Unix time, or now-1h. Default: the last hour.
type timeRange struct {
	Start moment `json:"start"`
	End   moment `json:"end"`
}

func (t timeRange) bounds(now time.Time) (start, end time.Time, err error) {
	if end, err = parseTime("time_range.end", string(t.End), now, now); err != nil {
		return start, end, err
	}
	if start, err = parseTime("time_range.start", string(t.Start), now, end.Add(-defaultRange)); err != nil {
		return start, end, err
	}
	if !start.Before(end) {
		return start, end, bad("time_range: its start %s is not before its end %s", start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339))
	}
	return start, end, nil
}

func parseTime(name, text string, now, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	nanos, err := timeutil.ParseTimeAt(text, now.UnixNano())
	if err != nil {
		return otherwise, bad("%s: %.60q is no time: now-1h, RFC 3339 or Unix time", name, text)
	}
	return time.Unix(0, nanos), nil
}
