package verify

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Logs is a store that answers LogsQL: embedded_logs.
type Logs struct {
	URL    string
	Header http.Header
	Client *http.Client
	Ledger *Ledger
	// Sink is the store's name in the ledger.
	Sink string
}

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

// fill replays the whole hour: the store adds only the rows that it lacks, by their place in the journal. Where a signal has further sinks, the
// profiles' jobs go to one of them.
func (l *Logs) fill(_ context.Context, a *Answer, signal, tenant string, hour time.Time) ([]string, error) {
	j := job{Signal: signal, By: "event", From: hour.Format(time.RFC3339), To: hour.Add(time.Hour).Format(time.RFC3339), Tenants: []string{tenant}}
	others := slices.DeleteFunc(a.sinks(signal), func(s string) bool { return s == l.Sink })
	if len(others) == 0 {
		return []string{"fill it: " + l.Ledger.curl(j)}, nil
	}
	return []string{
		fmt.Sprintf("in the profiles jobs of %s go to %s: these need the receiver kafka_replay/log_jobs; docs/replay.md has it", signal, others[0]),
		"fill it: " + l.Ledger.curlTo("/kafka_replay/log_jobs/v1/replays", j),
	}, nil
}
