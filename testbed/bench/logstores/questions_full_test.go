//go:build full

package logstores

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// question is asked in LogsQL and in LogQL. An answer is a text that is the same for every store.
type question struct {
	name   string
	logsQL func(address string, c corpus) (string, error)
	logQL  func(address string, c corpus) (string, error)
	// right is the answer as far as the corpus alone tells it; empty: it doesn't.
	right func(c corpus) string
}

var questions = []question{
	{
		name: "trace",
		logsQL: func(address string, c corpus) (string, error) {
			return rowsOf(address, `trace_id:="`+c.trace()+`"`, 1000, c)
		},
		logQL: func(address string, c corpus) (string, error) {
			return entriesOf(address, `{service_name=~".+"} | trace_id="`+c.trace()+`"`, 1000, c)
		},
		right: func(c corpus) string {
			first := c.middle() / perTrace * perTrace
			return c.timesOf(first, first+1, first+2, first+3, first+4)
		},
	},
	{
		name: "phrase",
		logsQL: func(address string, c corpus) (string, error) {
			_, body, err := get(address+"/select/logsql/query", c.bounds(url.Values{"query": {`"` + phrase + `" | stats count() n`}}, rfc3339))
			var row struct{ N string }
			if err == nil {
				err = json.Unmarshal([]byte(body), &row)
			}
			return row.N, err
		},
		logQL: func(address string, c corpus) (string, error) {
			samples, err := samplesOf(address, "/loki/api/v1/query", url.Values{
				"query": {`sum(count_over_time({service_name=~".+"} |= "` + phrase + `" [` + strconv.Itoa(int(c.span.Seconds())) + `s]))`},
				"time":  {strconv.FormatInt(c.end().UnixNano(), 10)},
			})
			if len(samples) != 1 {
				return fmt.Sprint(len(samples), " series"), err
			}
			return strconv.FormatFloat(samples[0].value, 'f', -1, 64), err
		},
		right: func(c corpus) string { return strconv.Itoa(c.phrases()) },
	},
	{
		name:   "rare word",
		logsQL: func(address string, c corpus) (string, error) { return rowsOf(address, rareWord, 1000, c) },
		logQL: func(address string, c corpus) (string, error) {
			return entriesOf(address, `{service_name=~".+"} |= "`+rareWord+`"`, 1000, c)
		},
		right: func(c corpus) string {
			var lines []int
			for i := range rareLines {
				lines = append(lines, c.lines/rareLines*i+c.lines/rareLines/2)
			}
			return c.timesOf(lines...)
		},
	},
	{
		name: "per minute",
		logsQL: func(address string, c corpus) (string, error) {
			samples, err := samplesOf(address, "/select/logsql/stats_query_range",
				c.bounds(url.Values{"query": {`* | stats by (service.name) count() n`}, "step": {"1m"}}, rfc3339))
			return counts(samples, "service.name", 0), err
		},
		logQL: func(address string, c corpus) (string, error) {
			samples, err := samplesOf(address, "/loki/api/v1/query_range", url.Values{
				"query": {`sum by (service_name) (count_over_time({service_name=~".+"}[1m]))`}, "step": {"60"},
				"start": {strconv.FormatInt(c.start.Add(time.Minute).UnixNano(), 10)}, "end": {strconv.FormatInt(c.end().UnixNano(), 10)},
			})
			return counts(samples, "service_name", -60), err // the sample of a time counts the minute before it
		},
		right: func(corpus) string { return "" },
	},
	{
		name: "newest 100",
		logsQL: func(address string, c corpus) (string, error) {
			return rowsOf(address, `{service.name="checkout"}`, 100, c)
		},
		logQL: func(address string, c corpus) (string, error) {
			return entriesOf(address, `{service_name="checkout"}`, 100, c)
		},
		right: func(corpus) string { return "" },
	},
}

func (c corpus) trace() string {
	id := traceOf(c.middle())
	return hex.EncodeToString(id[:])
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// bounds adds the corpus' time to a query.
func (c corpus) bounds(query url.Values, format func(time.Time) string) url.Values {
	query.Set("start", format(c.start))
	query.Set("end", format(c.end()))
	return query
}

// timesOf is the answer that has these lines.
func (c corpus) timesOf(lines ...int) string {
	var times []int64
	for _, line := range lines {
		times = append(times, c.at(line).UnixNano())
	}
	return found(times)
}

// found is the answer of a question for rows: how many, and a hash of their times, which no two lines share.
func found(times []int64) string {
	slices.Sort(times)
	h := fnv.New64a()
	for _, t := range times {
		fmt.Fprintln(h, t)
	}
	return fmt.Sprintf("%d rows (%016x)", len(times), h.Sum64())
}

// rowsOf asks for the newest rows in LogsQL.
func rowsOf(address, query string, limit int, c corpus) (string, error) {
	_, body, err := get(address+"/select/logsql/query", c.bounds(url.Values{"query": {query}, "limit": {strconv.Itoa(limit)}}, rfc3339))
	if err != nil {
		return "", err
	}
	var times []int64
	scan := bufio.NewScanner(strings.NewReader(body))
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var row struct {
			Time time.Time `json:"_time"`
		}
		if err := json.Unmarshal(scan.Bytes(), &row); err != nil {
			return "", fmt.Errorf("%w in %s", err, scan.Text())
		}
		times = append(times, row.Time.UnixNano())
	}
	return found(times), scan.Err()
}

// entriesOf asks for the newest entries in LogQL.
func entriesOf(address, query string, limit int, c corpus) (string, error) {
	_, body, err := get(address+"/loki/api/v1/query_range", c.bounds(url.Values{"query": {query}, "limit": {strconv.Itoa(limit)}, "direction": {"backward"}}, rfc3339))
	if err != nil {
		return "", err
	}
	var answer struct {
		Data struct {
			Result []struct{ Values [][2]string }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return "", err
	}
	var times []int64
	for _, stream := range answer.Data.Result {
		for _, v := range stream.Values {
			t, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return "", err
			}
			times = append(times, t)
		}
	}
	return found(times), nil
}

// sample is a value of a series.
type sample struct {
	labels map[string]string
	time   int64 // seconds
	value  float64
}

// samplesOf reads a vector or a matrix.
func samplesOf(address, path string, query url.Values) ([]sample, error) {
	_, body, err := get(address+path, query)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  []any
				Values [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, err
	}
	var all []sample
	for _, r := range answer.Data.Result {
		if r.Value != nil {
			r.Values = append(r.Values, r.Value)
		}
		for _, pair := range r.Values {
			at, _ := pair[0].(float64)
			text, _ := pair[1].(string)
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, err
			}
			all = append(all, sample{r.Metric, int64(at), value})
		}
	}
	return all, nil
}

// counts is the answer of a question for counts: their sum, and a hash of label, time and count of each.
func counts(samples []sample, label string, shift int64) string {
	sum := 0.0
	slices.SortFunc(samples, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.labels[label], b.labels[label]), cmp.Compare(a.time, b.time))
	})
	h := fnv.New64a()
	for _, s := range samples {
		if s.value > 0 {
			fmt.Fprintln(h, s.labels[label], s.time+shift, s.value)
			sum += s.value
		}
	}
	return fmt.Sprintf("%.0f rows (%016x)", sum, h.Sum64())
}
