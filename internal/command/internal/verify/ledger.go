package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxAnswer bounds the part of an answer that is read.
const maxAnswer = 64 << 20

// Ledger queries the admin address of a collector.
type Ledger struct {
	// URL of the admin address.
	URL string
	// Header is sent with each request.
	Header http.Header
	Client *http.Client
}

// Answer is the ledger's content of an hour, by event time.
type Answer struct {
	Rows []struct {
		Signal, Tenant, Hour string
		Sinks                map[string]struct{ Stored, Buffered, Unaccounted int64 }
	}
	Partitions []struct {
		Signal, Sink     string
		Partition        int32
		Start, Next, End int64
	}
	Missing []struct{ Signal, Sink, Why string }
}

// part is one sink's share of one tenant.
type part struct{ stored, buffered int64 }

// Ask returns the ledger's content of an hour.
func (l *Ledger) Ask(ctx context.Context, hour time.Time, signal, tenant string) (*Answer, error) {
	q := url.Values{"by": {"event"}, "from": {hour.Format(time.RFC3339)}, "to": {hour.Add(time.Hour).Format(time.RFC3339)}}
	for name, value := range map[string]string{"signal": signal, "tenant": tenant} {
		if value != "" {
			q.Set(name, value)
		}
	}
	a := &Answer{}
	if err := get(ctx, l.Client, strings.TrimSuffix(l.URL, "/")+"/v1/ledger?"+q.Encode(), l.Header, a); err != nil {
		var failed *url.Error
		if errors.As(err, &failed) { // without the long address
			return nil, fmt.Errorf("query the ledger: no collector answers at %s: %w. --admin or PENSTOCK_ADMIN_ENDPOINT names its admin address", l.URL, failed.Err)
		}
		return nil, fmt.Errorf("query the ledger: %w", err)
	}
	return a, nil
}

// byStore sorts the rows by signal and sink, then by tenant.
func (a *Answer) byStore() map[key]map[string]part {
	all := map[key]map[string]part{}
	for _, r := range a.Rows {
		for sink, s := range r.Sinks {
			k := key{r.Signal, sink}
			if all[k] == nil {
				all[k] = map[string]part{}
			}
			p := all[k][r.Tenant]
			all[k][r.Tenant] = part{p.stored + s.Stored, p.buffered + s.Buffered}
		}
	}
	return all
}

// Unaccounted reports where the ledger itself does not balance.
func (a *Answer) Unaccounted() (all []string) {
	for _, r := range a.Rows {
		for sink, s := range r.Sinks {
			if s.Unaccounted != 0 {
				all = append(all, fmt.Sprintf("%s %s of tenant %s: the ledger does not balance: %d items have no known fate", r.Signal, sink, r.Tenant, s.Unaccounted))
			}
		}
	}
	slices.Sort(all)
	return all
}

// destinations are the sinks to which the profiles' replay jobs of a signal go: the first one that there is.
var destinations = map[string][]string{
	"metrics": {"tsdb", "remote_write"},
	"logs":    {"loki", "lake", "logs"},
	"traces":  {"otlp", "lake", "logs"},
}

// destination returns the sink to which the profiles' replay jobs of a signal go; empty: none, or a sink with a name that the profiles don't have.
func (a *Answer) destination(signal string) string {
	for _, sink := range destinations[signal] {
		for _, p := range a.Partitions {
			if p.Signal == signal && p.Sink == sink {
				return sink
			}
		}
	}
	return ""
}

// steps are the commands that create jobs for a sink. Where the profiles' jobs of the signal go to another sink, the jobs are for a receiver that
// goes to this one.
func (l *Ledger) steps(ctx context.Context, a *Answer, signal, sink string, jobs ...job) (steps []string) {
	const route = "/v1/replays"
	at := route
	if l.severalJobs(ctx) {
		at = "/kafka_replay/jobs" + route
	}
	if to := a.destination(signal); to != "" && to != sink {
		receiver, settings := "kafka_replay/"+strings.TrimSuffix(sink, "s")+"_jobs", ""
		if sink == "lake" {
			settings = fmt.Sprintf(" with jobs::recorded: [%s]", signal)
		}
		steps = append(steps, fmt.Sprintf("in the profiles jobs of %s go to %s: these need the receiver %s%s in the pipeline %s/%s; docs/replay.md has it",
			signal, to, receiver, settings, signal, sink))
		at = "/" + receiver + route
	}
	fill := "fill it: "
	if len(l.Header) > 0 { // not printed: it has a key
		fill = "fill it (add --header's value with -H): "
	}
	for _, j := range jobs {
		steps = append(steps, fill+l.curlTo(at, j))
	}
	return steps
}

// job is the body of POST /v1/replays.
type job struct {
	Signal    string   `json:"signal"`
	By        string   `json:"by,omitempty"`
	From      string   `json:"from,omitempty"`
	To        string   `json:"to,omitempty"`
	Offsets   []offset `json:"offsets,omitempty"`
	Tenants   []string `json:"tenants,omitempty"`
	Condition string   `json:"condition,omitempty"`
}

type offset struct {
	Partition int32 `json:"partition"`
	First     int64 `json:"first"`
	Next      int64 `json:"next"`
}

// severalJobs says whether several receivers of the collector have jobs: then none of them answers without its name.
func (l *Ledger) severalJobs(ctx context.Context) bool {
	err := get(ctx, l.Client, strings.TrimSuffix(l.URL, "/")+"/v1/replays", l.Header, &struct{}{})
	refused, ok := errors.AsType[*statusError](err)
	return ok && refused.status == http.StatusMultipleChoices
}

// curlTo is the command that creates the job at a route.
func (l *Ledger) curlTo(route string, j job) string {
	var body strings.Builder
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	_ = e.Encode(j) // texts and numbers only: can't fail
	return fmt.Sprintf("curl -X POST %s -H 'Content-Type: application/json' -d '%s'", strings.TrimSuffix(l.URL, "/")+route,
		strings.ReplaceAll(strings.TrimSpace(body.String()), "'", `'\''`))
}

// statusError is an answer that is no success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// get reads a JSON answer; the error of one that is no success is a *statusError.
func get(ctx context.Context, client *http.Client, address string, header http.Header, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &statusError{resp.StatusCode, fmt.Sprintf("%s answered %s: %s", r.URL.Redacted(), resp.Status, strings.TrimSpace(string(body[:min(len(body), 500)])))}
	}
	return json.Unmarshal(body, into)
}
