package ingest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// setting is a number that the environment may change.
func setting(b *testing.B, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err, name)
	return n
}

// body is a request of n items.
func body(signal string, request, n int) []byte {
	var items []string
	for i := range n {
		if signal == "metrics" {
			items = append(items, fmt.Sprintf(`{"name":"kettle.temperature","value":%d.5,"unit":"Cel","room":"kitchen","kettle":"k%d"}`, request%100, (request+i)%500))
			continue
		}
		items = append(items, fmt.Sprintf(`{"level":"info","message":"GET /api/orders/%d answered in %d ms","route":"/api/orders/:id","status":200,"bytes":%d}`, request, i%90, 512+request%4096))
	}
	return []byte(`{"service":"kitchen","host":"pi","` + signal + `":[` + strings.Join(items, ",") + `]}`)
}

// BenchmarkOpenLoop sends PENSTOCK_BENCH_RATE (2000) requests a second of PENSTOCK_BENCH_ITEMS (1) items for PENSTOCK_BENCH_SECONDS (20) to `profile:standalone`
// with its embedded journal, whether or not the ones before are answered. A request waits from the moment at which it is due until its 202, so a stall counts for
// all that are due meanwhile. The client and the server share the machine's processors.
//
//	go test -run '^$' -bench OpenLoop -benchtime 1x ./bench/ingest
func BenchmarkOpenLoop(b *testing.B) {
	rate, items, seconds := setting(b, "PENSTOCK_BENCH_RATE", 2000), setting(b, "PENSTOCK_BENCH_ITEMS", 1), setting(b, "PENSTOCK_BENCH_SECONDS", 20)
	for _, signal := range []string{"logs", "metrics"} {
		b.Run(signal, func(b *testing.B) {
			p := process.Start(b, process.Settings{})
			url := "http://" + p.Ingest() + "/api/v1/" + signal + "/ingest"
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}, Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for range b.N {
				load(b, client, url, signal, rate, items, time.Second) // connections, caches
				before := p.CPUSoFar(b)
				waits, refused := load(b, client, url, signal, rate, items, time.Duration(seconds)*time.Second)
				slices.Sort(waits)
				for _, q := range []int{50, 95, 99} {
					b.ReportMetric(float64(waits[len(waits)*q/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", q))
				}
				b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1000, "max-ms")
				b.ReportMetric(float64(refused), "refused")
				b.ReportMetric(float64(len(waits))/float64(seconds), "accepted/s")
				b.ReportMetric((p.CPUSoFar(b)-before).Seconds()/float64(seconds), "server-cores")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// load returns how long each accepted request waited, and how many were not.
func load(b *testing.B, client *http.Client, url, signal string, rate, items int, during time.Duration) (waits []time.Duration, refused int) {
	b.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range int(during.Seconds() * float64(rate)) {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		wg.Go(func() {
			resp, err := client.Post(url, "application/json", bytes.NewReader(body(signal, i, items)))
			accepted := err == nil && resp.StatusCode == http.StatusAccepted
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			wait := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if accepted {
				waits = append(waits, wait)
			} else {
				refused++
			}
		})
	}
	wg.Wait()
	require.NotEmpty(b, waits, "every request was refused")
	return waits, refused
}
