package logsql

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/timeutil"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/bounded"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// request is a request that was parsed.
type request struct {
	*http.Request
	store    *store.Store
	prepared *store.Prepared
	began    time.Time
	// start and end bound the time as the request does, end being the last nanosecond; the least and the greatest number where it has none.
	start, end int64
}

// read is how many bytes the query has read.
func (q *request) read() int64 {
	if q.prepared == nil {
		return 0
	}
	return q.prepared.Read()
}

// parse reads what all routes have in common.
func (a *API) parse(r *http.Request) (*request, error) {
	s, err := a.Store()
	if err != nil {
		return nil, err
	}
	q := &request{Request: r, store: s, start: math.MinInt64, end: math.MaxInt64}
	now := time.Now()
	start, hasStart, err := moment(r, "start", now)
	if err != nil {
		return nil, err
	}
	end, hasEnd, err := moment(r, "end", now)
	if err != nil {
		return nil, err
	}
	at, hasAt, err := moment(r, "time", now)
	switch {
	case err != nil:
		return nil, err
	case hasAt:
	case hasEnd:
		at = end - 1
	default:
		at = now.UnixNano()
	}
	text := r.FormValue("query")
	switch {
	case text == "":
		return nil, badf("query: it must not be empty")
	case len(text) > a.Limits.MaxLength:
		return nil, &bounded.LengthError{What: "query", Length: len(text), Most: a.Limits.MaxLength}
	}
	p, err := s.Prepare(store.Query{Text: text, At: time.Unix(0, at), View: a.ViewOf(r), Signal: signalOf(r), Hidden: hidden(r), MaxRead: a.Limits.MaxRead})
	if err != nil {
		return nil, err
	}
	q.prepared = p
	if ignore, _ := strconv.ParseBool(r.FormValue("ignore_pipes")); ignore {
		p.Query.DropAllPipes()
	}
	if hasStart {
		q.start = start
	}
	if hasEnd {
		q.end = end - 1
	}
	if hasStart || hasEnd {
		q.align(r)
		p.Query.AddTimeFilter(q.start, q.end)
	}
	return q, q.extraFilters()
}

// align widens the time to whole steps, for the routes that have one.
func (q *request) align(r *http.Request) {
	step, err := duration("step", r.FormValue("step"))
	if err != nil || step <= 0 {
		return
	}
	offset, _ := duration("offset", r.FormValue("offset"))
	q.start, q.end = wholeSteps(q.start, q.end, int64(step), int64(offset))
}

// wholeSteps returns the begin of the step that start lies in, and the last nanosecond of the one of end. Steps begin offset before whole multiples of
// step, as the engine counts them. Bounds that are none stay.
func wholeSteps(start, end, step, offset int64) (int64, int64) {
	if start > math.MinInt64/2 && start < math.MaxInt64/2 {
		start -= mod(start+offset, step)
	}
	if end > math.MinInt64/2 && end < math.MaxInt64/2 {
		end += step - mod(end+offset, step) - 1
	}
	return start, end
}

// mod is never negative.
func mod(a, b int64) int64 { return (a%b + b) % b }

// extraFilters adds what a proxy or a data source adds to every query.
func (q *request) extraFilters() error {
	for name, write := range map[string]func(field string, values []string) string{"extra_filters": fieldFilter, "extra_stream_filters": streamFilter} {
		for _, text := range q.Form[name] {
			if text == "" {
				continue
			}
			if strings.HasPrefix(text, `{"`) {
				var err error
				if text, err = filtersOf(text, write, name == "extra_stream_filters"); err != nil {
					return badf("%s: %w", name, err)
				}
			}
			f, err := logstorage.ParseFilter(text)
			if err != nil {
				return badf("%s: %w", name, err)
			}
			if store.HasQuery(f.String()) { // the engine adds the filter to the query inside it, and to the one inside that, without end
				return badf("%s: a filter with a query inside is not possible", name)
			}
			q.prepared.Query.AddExtraFilters(f)
		}
	}
	return nil
}

// filtersOf makes a filter of {"field":"value","other":["a","b"]}.
func filtersOf(text string, write func(string, []string) string, stream bool) (string, error) {
	var values map[string]any
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return "", err
	}
	var all []string
	for field, v := range values {
		var list []string
		switch v := v.(type) {
		case string:
			list = []string{v}
		case []any:
			for _, one := range v {
				s, ok := one.(string)
				if !ok {
					return "", fmt.Errorf("a value of %q is no text", field)
				}
				list = append(list, s)
			}
		default:
			return "", fmt.Errorf("the value of %q is neither a text nor a list", field)
		}
		if len(list) > 0 {
			all = append(all, write(field, list))
		}
	}
	if stream {
		return "{" + strings.Join(all, ",") + "}", nil
	}
	return strings.Join(all, " "), nil
}

func fieldFilter(field string, values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = store.Quote(v)
	}
	return store.Quote(field) + ":in(" + strings.Join(quoted, ",") + ")"
}

func streamFilter(field string, values []string) string {
	if len(values) == 1 {
		return store.Quote(field) + "=" + store.Quote(values[0])
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return store.Quote(field) + "=~" + store.Quote(strings.Join(quoted, "|"))
}

// signalOf is what the request asks for.
func signalOf(r *http.Request) store.Signal {
	if r.Header.Get("ProjectID") == "1" {
		return store.Traces
	}
	return store.Logs
}

// hidden are fields that the query sees nothing of.
func hidden(r *http.Request) []string {
	var all []string
	if show, _ := strconv.ParseBool(r.FormValue("provenance")); !show {
		all = append(append(all, store.Provenance...), store.TypesField)
	}
	text := r.FormValue("hidden_fields_filters")
	var list []string
	switch {
	case text == "":
	case strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &list) == nil:
		all = append(all, list...)
	default:
		all = append(all, strings.Split(text, ",")...)
	}
	return all
}

func badf(format string, args ...any) error {
	return &store.QueryError{Err: fmt.Errorf(format, args...)}
}

// moment reads a time in Unix nanoseconds: RFC 3339 in whole or in part, Unix time in any unit, now-1h.
func moment(r *http.Request, name string, now time.Time) (t int64, there bool, err error) {
	text := r.FormValue(name)
	if text == "" {
		return 0, false, nil
	}
	t, err = timeutil.ParseTimeAt(text, now.UnixNano())
	if err != nil {
		return 0, false, badf("%s: %w", name, err)
	}
	return t, true, nil
}

// duration reads LogsQL's durations; no text is 0.
func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, ok := logstorage.TryParseDuration(text)
	if !ok {
		return 0, badf("%s: %q is no duration", name, text)
	}
	return time.Duration(n), nil
}

// number reads a number that is not negative; no text is 0.
func (q *request) number(name string) (int, error) {
	text := q.FormValue(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badf("%s: %q is no number from 0 on", name, text)
	}
	return n, nil
}

// step reads the parameters step and offset of a range.
func (q *request) step() (step, offset int64, err error) {
	s, err := duration("step", q.FormValue("step"))
	if err != nil {
		return 0, 0, err
	}
	if s <= 0 {
		return 0, 0, badf("step: it must be positive")
	}
	o, err := duration("offset", q.FormValue("offset"))
	return int64(s), int64(o), err
}

// header sets what tells the client how long the query took.
func (q *request) header(w http.ResponseWriter) {
	w.Header().Set("VL-Request-Duration-Seconds", strconv.FormatFloat(time.Since(q.began).Seconds(), 'f', 3, 64))
	w.Header().Set("Access-Control-Expose-Headers", "Vl-Request-Duration-Seconds")
}
