package sidebyside

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	perRequest = 500
	lasts      = 10 * time.Second // of each run
)

// product is one of the collectors. The agent scrubs, syncs its queue, and names the host; the stock collector passes on.
type product struct {
	name     string
	settings func(testing.TB, *gateway.Gateway) process.Settings
}

var products = []product{
	{"agent", func(_ testing.TB, g *gateway.Gateway) process.Settings {
		return process.Settings{Configs: []string{"profile:agent"}, Env: map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": g.Address},
			Args: []string{"--set=exporters::otlp_grpc/gateway::compression=gzip"}} // the server knows no zstd
	}},
	{"stock", func(t testing.TB, g *gateway.Gateway) process.Settings { return gateway.Stock(t, g.Address, "") }},
	{"stock-fsync", func(t testing.TB, g *gateway.Gateway) process.Settings {
		return gateway.Stock(t, g.Address, ", fsync: true")
	}},
}

// spent is what one run of one product cost.
type spent struct {
	records        int64
	cpu            time.Duration
	resident, wire int64 // bytes
}

// BenchmarkSideBySide reports medians of interleaved runs: CPU per record, resident memory at the end, bytes on the wire a record;
// without a rate also acknowledged records a CPU second.
func BenchmarkSideBySide(b *testing.B) {
	for _, rate := range []int{5_000, 20_000, 0} {
		name := fmt.Sprintf("records_s=%d", rate)
		if rate == 0 {
			name = "as-fast-as-it-goes"
		}
		b.Run(name, func(b *testing.B) {
			all := map[string][]spent{}
			for b.Loop() {
				for _, p := range products {
					all[p.name] = append(all[p.name], run(b, p, rate))
				}
			}
			for _, p := range products {
				report(b, all[p.name], p.name+"-cpu-µs/record", func(s spent) float64 { return float64(s.cpu.Microseconds()) / float64(s.records) })
				report(b, all[p.name], p.name+"-MiB", func(s spent) float64 { return float64(s.resident) / (1 << 20) })
				report(b, all[p.name], p.name+"-wire-B/record", func(s spent) float64 { return float64(s.wire) / float64(s.records) })
				report(b, all[p.name], p.name+"-records/s", func(s spent) float64 { return float64(s.records) / lasts.Seconds() })
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func report(b *testing.B, runs []spent, unit string, value func(spent) float64) {
	var values []float64
	for _, s := range runs {
		values = append(values, value(s))
	}
	measure.Report(b, values, unit)
}

// run sends for a while at a rate of records a second (0: as fast as eight clients can) and waits until all that was acknowledged
// has arrived.
func run(b *testing.B, p product, rate int) spent {
	sink := gateway.New(b)
	proc := process.Start(b, p.settings(b, sink))
	defer proc.Kill()
	body := request(b)
	before := proc.CPUSoFar(b)
	var s spent
	var acknowledged, next atomic.Int64
	begin := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second * perRequest / time.Duration(rate))))
				}
				if time.Since(begin) > lasts {
					return
				}
				answer, err := send.Post(proc.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf")
				if err == nil && answer.Status == http.StatusOK {
					acknowledged.Add(1)
				}
			}
		})
	}
	wg.Wait()
	s.records = acknowledged.Load() * perRequest
	require.Positive(b, s.records)
	for end := time.Now().Add(time.Minute); arrived(sink) < s.records; time.Sleep(20 * time.Millisecond) {
		require.True(b, time.Now().Before(end), "%s: %d of %d acknowledged records have arrived", p.name, arrived(sink), s.records)
	}
	s.cpu, s.resident, s.wire = proc.CPUSoFar(b)-before, proc.Resident(b), sink.Wire()
	return s
}

func arrived(sink *gateway.Gateway) (n int64) {
	sink.Records(func(plog.ResourceLogs, plog.LogRecord) { n++ })
	return n
}

// request is an access log of a shop: half a kilobyte a record, no two alike.
func request(b *testing.B) []byte {
	logs := send.LogBatch("shop", 0, perRequest)
	for i, r := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		r.Body().SetStr(fmt.Sprintf(`10.1.%d.%d - - [30/Nov/2026:10:%02d:%02d +0000] "GET /cart/%d/items?page=%d HTTP/1.1" 200 %d "https://shop.example/start" "Mozilla/5.0 (X11; Linux x86_64)"`,
			i%7, i%251, i%60, i*7%60, i*7919%100000, i%9, 500+i*31%9000))
		r.Attributes().PutStr("http.request.method", "GET")
		r.Attributes().PutInt("http.response.status_code", 200)
		r.Attributes().PutStr("k8s.pod.name", fmt.Sprintf("shop-%d", i%12))
		r.Attributes().PutDouble("duration", float64(i%97)/1000)
	}
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	require.NoError(b, err)
	return body
}
