package asking

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	askers = 100
	batch  = 500
	before = 200_000 // rows that there are when the first query comes
	window = 8 * time.Second
)

// queries are phrases that are rare, frequent or missing, statistics, and LogQL.
var queries = []struct{ path, query string }{
	{"/select/logsql/query", `"id 4242" | limit 10`},
	{"/select/logsql/query", `"nowhere to be found"`},
	{"/select/logsql/query", `id | sort by (_time desc) limit 20`},
	{"/select/logsql/stats_query", `* | stats by (service.name, level) count() n`},
	{"/select/logsql/stats_query", `_msg:~"7$" | stats count() n, count_uniq(_msg) u`},
	{"/loki/api/v1/query_range", `{service_name="load"} |= "id 99"`},
	{"/loki/api/v1/query_range", `sum(count_over_time({service_name="load"} |= "id" [1m]))`},
}

// BenchmarkHundredQueries loads one process as hard as four clients can, or with a steady tenth of that.
func BenchmarkHundredQueries(b *testing.B) {
	for _, load := range []struct {
		name    string
		clients int
		pause   time.Duration
	}{{"full", 4, 0}, {"steady", 1, 100 * time.Millisecond}} {
		b.Run(load.name, func(b *testing.B) {
			p := process.Start(b, process.Settings{})
			fill := send.StartLoad(p.HTTP(), 4, batch)
			fill.Await(b, before)
			fill.Stop()
			ask.Eventually(b, func() error { _, err := stored(p); return err })
			values := map[string][]float64{}
			for i := 0; b.Loop(); i++ {
				acked, kept, answered := map[bool]float64{}, map[bool]float64{}, 0.0
				for _, asking := range []bool{i%2 == 0, i%2 == 1} {
					a, k, n := measured(b, p, load.clients, load.pause, asking)
					acked[asking], kept[asking], answered = a, k, max(answered, n)
				}
				values["acknowledged-rows/s"] = append(values["acknowledged-rows/s"], acked[false])
				values["acknowledged-ratio"] = append(values["acknowledged-ratio"], acked[true]/acked[false])
				values["stored-ratio"] = append(values["stored-ratio"], kept[true]/kept[false])
				values["answers/s"] = append(values["answers/s"], answered)
			}
			for unit, all := range values {
				measure.Report(b, all, unit)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measured returns rows a second that were acknowledged and stored, and answers a second that the askers got, over a window.
func measured(b *testing.B, p *process.Process, clients int, pause time.Duration, asking bool) (acked, kept, answered float64) {
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	var answers, records atomic.Int64
	if asking {
		for i := range askers {
			wg.Go(func() { askOn(ctx, p, i, &answers) })
		}
	}
	number := time.Now().UnixMilli() % 1_000_000_000 // of the batch: no two windows send the same
	var next atomic.Int64
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := number + next.Add(1)
				answer, err := send.Logs(p.HTTP(), send.LogBatch("load", int(n)*batch, batch))
				if err == nil && answer.Status == http.StatusOK {
					records.Add(batch)
				}
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
		})
	}
	time.Sleep(window / 4) // both are under way
	n, r, s, began := answers.Load(), records.Load(), must(b, p), time.Now()
	time.Sleep(window)
	took := time.Since(began).Seconds()
	acked, answered = float64(records.Load()-r)/took, float64(answers.Load()-n)/took
	kept = (must(b, p) - s) / took
	cancel()
	wg.Wait()
	time.Sleep(window / 4) // the follower catches up
	return acked, kept, answered
}

func must(b *testing.B, p *process.Process) float64 {
	n, err := stored(p)
	require.NoError(b, err)
	return n
}

// stored is how many rows the store has taken from live delivery.
func stored(p *process.Process) (float64, error) {
	return ask.Metric(p.Telemetry(), "otelcol_exporter_embedded_logs_sent_rows", `exporter="embedded_logs"`)
}

// askOn asks until ctx ends. A query that is refused comes again after a second, as the answer says.
func askOn(ctx context.Context, p *process.Process, i int, answers *atomic.Int64) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ; ctx.Err() == nil; i++ {
		q := queries[i%len(queries)]
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Query()+q.path+"?"+url.Values{"query": {q.query}}.Encode(), nil)
		if err != nil {
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			answers.Add(1)
			continue
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}
