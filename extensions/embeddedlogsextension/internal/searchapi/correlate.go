package searchapi

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/correlation"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

const (
	// mostKeys bounds the keys of an answer: so many with log records, and so many that only the metrics have.
	mostKeys = 100
	// mostMinutes is a week: Prometheus answers 11000 steps.
	mostMinutes = 7 * 24 * 60
)

// by says how log records and series are told apart.
type by struct {
	// field of the log records.
	field string
	// key is a series' key: of its labels; empty where it has none.
	key func(labels map[string]string) string
}

// bys are the values of "by". A trace has no series: its samples are exemplars.
var bys = map[string]by{
	"service": {store.ServiceName, func(l map[string]string) string {
		_, job := cutLast(l["job"], "/")
		return cmp.Or(l["service_name"], job)
	}},
	"host": {store.ResourceField("host.name"), func(l map[string]string) string {
		return cmp.Or(l["host_name"], l["host"], hostOf(l["instance"]))
	}},
	"trace": {store.TraceID, func(l map[string]string) string { return cmp.Or(l["trace_id"], l["traceID"]) }},
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+len(sep):]
}

// hostOf takes the port off an instance.
func hostOf(instance string) string {
	if host, _, err := net.SplitHostPort(instance); err == nil {
		return host
	}
	return instance
}

// correlateRequest is the body of /api/v1/query/correlate.
type correlateRequest struct {
	LogQuery    string    `json:"log_query"`
	MetricQuery string    `json:"metric_query"`
	TimeRange   timeRange `json:"time_range"`
	By          string    `json:"by"`
}

// correlated is what is known of a key. Without a score the reason says why.
type correlated struct {
	Key string `json:"key"`
	// Logs are the records that log_query selects, Errors those of them whose level is error or fatal.
	Logs   int64       `json:"log_count"`
	Errors int64       `json:"error_count"`
	Metric *statistics `json:"metric"`
	// Score is Spearman's coefficient of the records a minute and the metric, at the lag where it is strongest.
	Score *float64 `json:"correlation_score"`
	// Lag is positive where the metric follows the records.
	Lag     *int   `json:"lag_minutes"`
	Minutes int    `json:"minutes"`
	Reason  string `json:"reason,omitempty"`
}

type statistics struct {
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Mean  float64 `json:"mean"`
	P95   float64 `json:"p95"`
	Count int     `json:"count"`
}

type correlateAnswer struct {
	By   string       `json:"by"`
	Keys []correlated `json:"keys"`
	// Truncated says that there are more keys.
	Truncated bool `json:"truncated"`
	// Unkeyed are series that no key can be found for.
	Unkeyed int   `json:"series_without_key"`
	Took    int64 `json:"took_ms"`
}

// minutes are whole minutes, [first, first+n), in Unix minutes.
type minutes struct{ first, n int64 }

func wholeMinutes(start, end time.Time) minutes {
	first := (start.UnixNano() + int64(time.Minute) - 1) / int64(time.Minute)
	return minutes{first, max(0, end.UnixNano()/int64(time.Minute)-first)}
}

// at returns the place of a Unix minute, or -1.
func (m minutes) at(minute int64) int {
	if minute < m.first || minute >= m.first+m.n {
		return -1
	}
	return int(minute - m.first)
}

// samples are a key's metric: all values, and those of each minute.
type samples struct {
	values  []float64
	minutes map[int]minute
}

type minute struct{ sum, n float64 }

func (s *samples) add(place int, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	s.values = append(s.values, v)
	if place >= 0 {
		was := s.minutes[place]
		s.minutes[place] = minute{was.sum + v, was.n + 1}
	}
}

// means are those of n minutes, NaN where one has no value.
func (s *samples) means(n int64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = s.minutes[i].sum / s.minutes[i].n
	}
	return all
}

func (a *API) correlate(ctx context.Context, r *request) (any, error) {
	var q correlateRequest
	if err := r.decode(&q); err != nil {
		return nil, err
	}
	how, ok := bys[q.By]
	if !ok {
		return nil, bad("by: %q is none of host, service, trace", q.By)
	}
	if q.MetricQuery == "" {
		return nil, bad("metric_query: it must not be empty: it is PromQL")
	}
	if err := a.Bounds.CheckLength("metric_query", q.MetricQuery); err != nil {
		return nil, err
	}
	filter, err := a.filter("log_query", q.LogQuery, nil)
	if err != nil {
		return nil, err
	}
	start, end, err := q.TimeRange.bounds(r.began)
	if err != nil {
		return nil, err
	}
	m := wholeMinutes(start, end)
	if m.n > mostMinutes {
		return nil, bad("time_range: %d minutes are more than %d (a week)", m.n, mostMinutes)
	}
	answer := correlateAnswer{By: q.By}
	series, err := a.samplesOf(ctx, r, &q, how, start, end, m, &answer.Unkeyed)
	if err != nil {
		return nil, err
	}
	if answer.Keys, answer.Truncated, err = r.keys(ctx, filter, how.field, start, end); err != nil {
		return nil, err
	}
	counts, err := r.perMinute(ctx, filter, how.field, answer.Keys, m)
	if err != nil {
		return nil, err
	}
	answer.addKeysOf(series)
	if err := compareAll(ctx, answer.Keys, counts, series, m); err != nil {
		return nil, err
	}
	answer.Took = time.Since(r.began).Milliseconds()
	return answer, nil
}

// compareAll compares until ctx ends: a week of one key takes about 20 ms of a CPU.
func compareAll(ctx context.Context, keys []correlated, counts map[string][]float64, series map[string]*samples, m minutes) error {
	for i := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		keys[i].compare(counts[keys[i].Key], series[keys[i].Key], m)
	}
	return nil
}

// keys returns those with the most errors first, among those without, those with the most records.
func (r *request) keys(ctx context.Context, filter, field string, start, end time.Time) (keys []correlated, more bool, err error) {
	quoted := store.Quote(field)
	text := fmt.Sprintf(`%s %s:* | stats by (%s) count() logs, count() if (%s:in("error","fatal")) errors | sort by (errors desc, logs desc, %s) limit %d`,
		filter, quoted, quoted, store.Level, quoted, mostKeys+1)
	keys = []correlated{}
	err = r.run(ctx, text, start, end, func(b *store.Block) error {
		names, logs, errs := column(b, field), column(b, "logs"), column(b, "errors")
		for i := range b.Len() {
			k := correlated{Key: strings.Clone(names[i])}
			k.Logs, _ = strconv.ParseInt(logs[i], 10, 64)
			k.Errors, _ = strconv.ParseInt(errs[i], 10, 64)
			keys = append(keys, k)
		}
		return nil
	})
	slices.SortFunc(keys, func(a, b correlated) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(b.Logs, a.Logs), strings.Compare(a.Key, b.Key))
	})
	if len(keys) > mostKeys {
		keys, more = keys[:mostKeys], true
	}
	return keys, more, err
}

// perMinute counts the records of each key in each minute.
func (r *request) perMinute(ctx context.Context, filter, field string, keys []correlated, m minutes) (map[string][]float64, error) {
	counts := map[string][]float64{}
	quoted := make([]string, 0, len(keys))
	for _, k := range keys {
		counts[k.Key] = make([]float64, m.n)
		quoted = append(quoted, store.Quote(k.Key))
	}
	if len(keys) == 0 || m.n == 0 {
		return counts, nil
	}
	name := store.Quote(field)
	text := fmt.Sprintf("%s %s:in(%s) | stats by (%s, %s:1m) count() logs", filter, name, strings.Join(quoted, ","), name, store.Time)
	start, end := time.Unix(m.first*60, 0), time.Unix((m.first+m.n)*60, 0)
	err := r.run(ctx, text, start, end, func(b *store.Block) error {
		names, times, logs := column(b, field), column(b, store.Time), column(b, "logs")
		for i := range b.Len() {
			t, err := time.Parse(time.RFC3339Nano, times[i])
			if err != nil {
				return err
			}
			n, err := strconv.ParseFloat(logs[i], 64)
			if err != nil {
				return err
			}
			if at := m.at(t.Unix() / 60); at >= 0 && counts[names[i]] != nil {
				counts[names[i]][at] += n
			}
		}
		return nil
	})
	return counts, err
}

// addKeysOf adds the keys that have no records.
func (a *correlateAnswer) addKeysOf(series map[string]*samples) {
	known := map[string]bool{}
	for _, k := range a.Keys {
		known[k.Key] = true
	}
	added := 0
	for _, key := range slices.Sorted(maps.Keys(series)) {
		if known[key] {
			continue
		}
		if added++; added > mostKeys {
			a.Truncated = true
			return
		}
		a.Keys = append(a.Keys, correlated{Key: key})
	}
}

func (k *correlated) compare(counts []float64, s *samples, m minutes) {
	if counts == nil {
		counts = make([]float64, m.n)
	}
	if s == nil {
		k.Reason = "no_metric"
		return
	}
	if of := correlation.StatisticsOf(s.values); of != nil {
		k.Metric = &statistics{of.Min, of.Max, of.Mean, of.P95, of.Count}
	}
	result := correlation.Of(counts, s.means(m.n))
	k.Score, k.Minutes, k.Reason = result.Score, result.Minutes, result.Reason
	if k.Score != nil {
		k.Lag = &result.Lag
	}
}

// samplesOf asks the store of metrics: for a value a minute, taken at its end, or for exemplars.
func (a *API) samplesOf(ctx context.Context, r *request, q *correlateRequest, how by, start, end time.Time, m minutes, unkeyed *int) (map[string]*samples, error) {
	found := map[string]*samples{}
	of := func(key string) *samples {
		if found[key] == nil {
			found[key] = &samples{minutes: map[int]minute{}}
		}
		return found[key]
	}
	if q.By == "trace" {
		return found, a.exemplars(ctx, r, q.MetricQuery, how, start, end, func(key string, t int64, v float64) { of(key).add(m.at(t/60), v) })
	}
	if m.n == 0 {
		return found, nil
	}
	var matrix struct {
		Result []struct {
			Metric map[string]string
			Values [][2]any
		}
	}
	form := url.Values{"query": {q.MetricQuery}, "start": {strconv.FormatInt((m.first+1)*60, 10)}, "end": {strconv.FormatInt((m.first+m.n)*60, 10)}, "step": {"60"}}
	if err := a.ask(ctx, r, "/api/v1/query_range", form, &matrix); err != nil {
		return nil, err
	}
	var known hosts
	if q.By == "host" {
		var err error
		if known, err = a.hostsOf(ctx, r, start, end); err != nil {
			return nil, err
		}
	}
	for _, s := range matrix.Result {
		known.name(s.Metric)
		key := how.key(s.Metric)
		if key == "" {
			*unkeyed++
			continue
		}
		to := of(key)
		for _, point := range s.Values {
			t, _ := point[0].(float64)
			text, _ := point[1].(string)
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, fmt.Errorf("metric_query: %w", err)
			}
			to.add(m.at(int64(t)/60-1), v)
		}
	}
	return found, nil
}

// exemplars calls f for each one with a trace id, as 32 digits.
func (a *API) exemplars(ctx context.Context, r *request, query string, how by, start, end time.Time, f func(key string, t int64, v float64)) error {
	var series []struct {
		Exemplars []struct {
			Labels    map[string]string
			Value     string
			Timestamp float64
		}
	}
	if err := a.ask(ctx, r, "/api/v1/query_exemplars", url.Values{"query": {query}, "start": {seconds(start)}, "end": {seconds(end)}}, &series); err != nil {
		return err
	}
	for _, s := range series {
		for _, e := range s.Exemplars {
			v, err := strconv.ParseFloat(e.Value, 64)
			if key := how.key(e.Labels); key != "" && err == nil {
				f(strings.ToLower(key), int64(e.Timestamp), v)
			}
		}
	}
	return nil
}
