package jaegerapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	defaultLimit = 100
	// mostTraces is what Jaeger's UI asks for at the most.
	mostTraces = 1500
	// defaultLookback is how far back a search looks that doesn't say it, as in Jaeger.
	defaultLookback = 48 * time.Hour
	// leastMicros is 1973 in microseconds. What is less is in milliseconds: Grafana's data source sends those with the id of a trace.
	leastMicros = 1e14
	mostMicros  = 9e15
)

// search is what /api/traces asks for.
type search struct {
	service, operation string
	tags               map[string]string
	start, end         time.Time // the zero time: no bound; only with ids
	least, most        time.Duration
	limit              int
	ids                []string
}

func bad(format string, args ...any) error {
	return &store.QueryError{Err: fmt.Errorf(format, args...)}
}

// parseSearch reads the parameters. Those that are not known are ignored, as Jaeger does.
func parseSearch(form url.Values, now time.Time) (s search, err error) {
	s = search{service: form.Get("service"), operation: form.Get("operation"), limit: defaultLimit}
	for _, text := range form["traceID"] {
		id, err := parseTraceID(text)
		if err != nil {
			return s, bad("cannot parse traceID param: %w", err)
		}
		if !slices.Contains(s.ids, id) {
			s.ids = append(s.ids, id)
		}
	}
	if len(s.ids) > mostTraces {
		return s, bad("traceID: %d traces are more than the %d that one answer may have", len(s.ids), mostTraces)
	}
	if s.service == "" && len(s.ids) == 0 {
		return s, bad("parameter 'service' is required")
	}
	if s.start, s.end, err = parseRange(form); err != nil {
		return s, err
	}
	if len(s.ids) == 0 {
		if s.end.IsZero() {
			s.end = now
		}
		if s.start.IsZero() {
			s.start = s.end.Add(-lookback(form.Get("lookback")))
		}
	}
	if !s.start.IsZero() && !s.end.IsZero() && s.start.After(s.end) {
		return s, bad("invalid parameter: start time must be before end time")
	}
	if s.least, err = parseDuration(form, "minDuration"); err != nil {
		return s, err
	}
	if s.most, err = parseDuration(form, "maxDuration"); err != nil {
		return s, err
	}
	if s.most != 0 && s.most < s.least {
		return s, bad("'maxDuration' should be greater than 'minDuration'")
	}
	if text := form.Get("limit"); text != "" {
		if s.limit, err = strconv.Atoi(text); err != nil || s.limit <= 0 {
			return s, bad("invalid parameter: limit must be greater than 0, not %q", text)
		}
	}
	if s.limit > mostTraces {
		return s, bad("limit: %d traces are more than the %d that one answer may have", s.limit, mostTraces)
	}
	s.tags, err = parseTags(form["tag"], form["tags"])
	return s, err
}

// parseRange reads start and end; without one it is the zero time.
func parseRange(form url.Values) (start, end time.Time, err error) {
	if start, err = parseTime(form, "start"); err != nil {
		return start, end, err
	}
	end, err = parseTime(form, "end")
	return start, end, err
}

func parseTime(form url.Values, name string) (time.Time, error) {
	text := form.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if n >= 0 && n < leastMicros {
		n *= 1000
	}
	if err != nil || n < 0 || n > mostMicros {
		return time.Time{}, bad("unable to parse param '%s': %q is no Unix time in microseconds", name, text)
	}
	return time.UnixMicro(n), nil
}

// lookback reads what the UI sends beside start and end: 1h, 2d, or custom.
func lookback(text string) time.Duration {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d
	}
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, err := strconv.ParseUint(strings.TrimSuffix(text, unit), 10, 16); err == nil && n > 0 && strings.HasSuffix(text, unit) {
			return time.Duration(n) * length
		}
	}
	return defaultLookback
}

func parseDuration(form url.Values, name string) (time.Duration, error) {
	text := form.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, bad("unable to parse param '%s': %q is no duration such as 1.2s, 100ms or 500us", name, text)
	}
	return d, nil
}

// parseTags reads tag=key:value, and tags as a JSON object or as key=value pairs.
func parseTags(pairs, texts []string) (map[string]string, error) {
	all := map[string]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, ":")
		if !ok {
			return nil, bad("malformed 'tag' parameter, expecting key:value, received: %s", pair)
		}
		all[key] = value
	}
	for _, text := range texts {
		found, err := tagsOf(text)
		if err != nil {
			return nil, bad("malformed 'tags' parameter: %w", err)
		}
		for key, value := range found {
			all[key] = value
		}
	}
	for key, value := range all {
		if key == "" || value == "" {
			return nil, bad("tags: %q=%q: a tag has a name and a value; empty values are not stored", key, value)
		}
	}
	return all, nil
}

func tagsOf(text string) (map[string]string, error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return logqlpipeline.Logfmt(text)
	}
	var values map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return nil, fmt.Errorf("cannot unmarshal JSON: %w", err)
	}
	all := map[string]string{}
	for key, v := range values {
		switch v := v.(type) {
		case string, json.Number, bool:
			all[key] = fmt.Sprint(v)
		default:
			return nil, fmt.Errorf("the value of %q is neither a text nor a number nor a truth value", key)
		}
	}
	return all, nil
}

// filter is LogsQL for the spans that are searched; a trace is found by one of its spans that has all of it. nameOf returns the field of an attribute.
func (s *search) filter(nameOf func(string) string) string {
	all := []string{serviceFilter(s.service), store.TraceID + ":*"}
	if s.operation != "" {
		all = append(all, is(store.Message, s.operation))
	}
	if s.least > 0 {
		all = append(all, store.Duration+":>="+strconv.FormatInt(int64(s.least), 10))
	}
	if s.most > 0 {
		all = append(all, store.Duration+":<="+strconv.FormatInt(int64(s.most), 10))
	}
	keys := make([]string, 0, len(s.tags))
	for key := range s.tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		all = append(all, tagFilter(key, s.tags[key], nameOf))
	}
	return strings.Join(all, " ")
}

func serviceFilter(service string) string {
	return "{" + store.Quote(store.ServiceName) + "=" + store.Quote(service) + "}"
}

func is(field, value string) string { return store.Quote(field) + ":=" + store.Quote(value) }

// scopeTag begins the tags that are attributes of the scope.
const scopeTag = "otel.scope.attribute."

// tagFilter looks among the attributes of the span, of its resource and of its events, and where Jaeger makes a tag of something else of the span, there.
func tagFilter(key, value string, nameOf func(string) string) string {
	any := []string{is(nameOf(key), value), is(store.ResourceField(key), value)}
	if name, ok := strings.CutPrefix(key, scopeTag); ok {
		any = append(any, is(store.ScopeField(name), value))
	}
	if events := store.EventFilter(key, value); events != "" {
		any = append(any, events)
	}
	lower := strings.ToLower(value)
	switch key {
	case "event":
		any = append(any, store.EventNameFilter(value))
	case "error":
		if lower == "true" {
			any = append(any, is(store.Status, "error"))
		}
	case "span.kind":
		any = append(any, is(store.Kind, lower))
	case "otel.status_code":
		any = append(any, is(store.Status, lower))
	case "otel.status_description":
		any = append(any, is(store.StatusMessage, value))
	case "otel.scope.name", "otel.library.name":
		any = append(any, is(store.ScopeName, value))
	case "otel.scope.version", "otel.library.version":
		any = append(any, is(store.ScopeVersion, value))
	case "w3c.tracestate":
		any = append(any, is(store.TraceState, value))
	case "penstock_tenant":
		any = append(any, is(store.TenantField, value))
	}
	return "(" + strings.Join(any, " or ") + ")"
}
