package searchapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// rangePoints is how many steps a range has that names none, about.
	rangePoints = 250
	leastStep   = 15 * time.Second
)

// metrics passes a query on to the store of metrics, and its answer, which is Prometheus', back.
func (a *API) metrics(w http.ResponseWriter, r *http.Request) {
	path, form, err := metricsQuery(r.URL.Query(), time.Now())
	if err == nil && a.Metrics == nil {
		err = errNoMetrics
	}
	if err == nil {
		err = a.Bounds.CheckLength("q", form.Get("query"))
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.Metrics.ServeHTTP(w, asking(r, path, form))
}

// asking is a request to the store of metrics by the client of r.
func asking(r *http.Request, path string, form url.Values) *http.Request {
	to := r.Clone(r.Context())
	to.Method, to.Body, to.ContentLength = http.MethodGet, http.NoBody, 0
	to.URL = &url.URL{Path: path, RawQuery: form.Encode()}
	to.RequestURI, to.Form, to.PostForm = to.URL.RequestURI(), nil, nil
	to.Header.Del("Content-Type")
	to.Header.Del("Content-Length")
	return to
}

// metricsQuery reads q, start, end and step. Without a start it is a query at one moment: the end, or now.
func metricsQuery(from url.Values, now time.Time) (path string, form url.Values, err error) {
	query := from.Get("q")
	if query == "" {
		return "", nil, bad("q: it must not be empty: it is PromQL")
	}
	end, err := parseTime("end", from.Get("end"), now, now)
	if err != nil {
		return "", nil, err
	}
	if from.Get("start") == "" {
		return "/api/v1/query", url.Values{"query": {query}, "time": {seconds(end)}}, nil
	}
	start, err := parseTime("start", from.Get("start"), now, end)
	if err != nil {
		return "", nil, err
	}
	if start.After(end) {
		return "", nil, bad("start: it is after the end")
	}
	step := from.Get("step")
	if step == "" {
		step = strconv.FormatFloat(max(end.Sub(start)/rangePoints, leastStep).Truncate(time.Second).Seconds(), 'f', -1, 64)
	}
	return "/api/v1/query_range", url.Values{"query": {query}, "start": {seconds(start)}, "end": {seconds(end)}, "step": {step}}, nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// held is an answer that is kept, up to a bound.
type held struct {
	header http.Header
	code   int
	body   []byte
}

var errLarge = errors.New("the answer is too large")

// Header implements http.ResponseWriter.
func (h *held) Header() http.Header { return h.header }

// WriteHeader implements http.ResponseWriter.
func (h *held) WriteHeader(code int) { h.code = code }

// Write implements http.ResponseWriter.
func (h *held) Write(p []byte) (int, error) {
	if len(h.body)+len(p) > mostMetrics {
		h.code = http.StatusInsufficientStorage
		return 0, errLarge
	}
	h.body = append(h.body, p...)
	return len(p), nil
}

// ask asks the store of metrics, and reads the field data of its answer.
func (a *API) ask(ctx context.Context, r *request, path string, form url.Values, data any) error {
	if a.Metrics == nil {
		return errNoMetrics
	}
	got := &held{header: http.Header{}, code: http.StatusOK}
	to := asking(r.WithContext(ctx), path, form)
	to.Header.Del("Accept-Encoding") // the client's, which would get the answer compressed
	a.Metrics.ServeHTTP(got, to)
	if err := ctx.Err(); err != nil {
		return err
	}
	if got.code == http.StatusInsufficientStorage {
		return bad("metric_query: its answer has more than %d MiB; ask for less time or fewer series", mostMetrics>>20)
	}
	var answer struct {
		Data  json.RawMessage
		Error string
	}
	err := json.Unmarshal(got.body, &answer)
	switch {
	case got.code >= 500:
		return errors.New("metric_query: embedded_tsdb does not answer: " + string(got.body[:min(len(got.body), 300)]))
	case answer.Error != "":
		return bad("metric_query: %s", answer.Error)
	case got.code != http.StatusOK:
		return bad("metric_query: embedded_tsdb answered %d", got.code)
	case err != nil:
		return fmt.Errorf("metric_query: embedded_tsdb's answer: %w", err)
	}
	return json.Unmarshal(answer.Data, data)
}
