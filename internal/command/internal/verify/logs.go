package verify

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Logs is a store that answers LogsQL: embedded_logs.
type Logs struct {
	URL    string
	Header http.Header
	Client *http.Client
}

// Lists implements Store.
func (l *Logs) Lists() bool { return true }

// Name implements Store.
func (l *Logs) Name() string { return "the log store" }

// Held implements Store.
func (l *Logs) Held(ctx context.Context, signal string, hour time.Time, _ []string) (map[string]int64, bool, error) {
	header := l.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if signal == "traces" {
		header.Set("ProjectID", "1")
	}
	q := url.Values{
		"query": {"* | stats by (penstock_tenant) count() rows"},
		"start": {strconv.FormatInt(hour.UnixNano(), 10)}, "end": {strconv.FormatInt(hour.Add(time.Hour).UnixNano(), 10)},
	}
	var a struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := get(ctx, l.Client, strings.TrimSuffix(l.URL, "/")+"/select/logsql/stats_query?"+q.Encode(), header, &a); err != nil {
		return nil, false, err
	}
	held := map[string]int64{}
	for _, r := range a.Data.Result {
		text, _ := r.Value[1].(string)
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, false, fmt.Errorf("the answer %v is not a number", r.Value)
		}
		held[r.Metric["penstock_tenant"]] = n
	}
	return held, false, nil
}
