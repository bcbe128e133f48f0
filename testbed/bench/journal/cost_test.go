package journal

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	requestsPerRun    = 800
	recordsPerRequest = 200
	defaultWait       = "100ms" // the receiver's
)

// The same way in and out for all: OTLP over HTTP in, OTLP over HTTP with zstd out.
const (
	head = `
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
  kafka_replay: {brokers: [%[1]s], topic_prefix: %[2]s, follow: {group: out, range: {max_wait: %[4]s}}}
processors:
  kafka_replay: {brokers: [%[1]s], topic_prefix: %[2]s}
exporters:
  nop:
  otlp_http: {endpoint: "%[3]s", compression: zstd, sending_queue: {enabled: false}}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
`
	passing   = "    logs: {receivers: [otlp], exporters: [otlp_http]}\n"
	appending = "    logs: {receivers: [otlp], processors: [kafka_replay], exporters: [nop]}\n"
	following = appending + "    logs/out: {receivers: [kafka_replay], exporters: [otlp_http]}\n"
)

// BenchmarkCPU compares the CPU of the process, brokers excluded, for each log record: passed on; appended to the journal; appended and
// followed, as by default and with the profiles' wait for logs; with that many senders at once.
func BenchmarkCPU(b *testing.B) {
	k := kafka.Start(b, 3)
	all := map[string]*gateway{}
	for _, g := range []struct{ name, pipelines, wait string }{
		{"pass", passing, defaultWait}, {"append", appending, defaultWait}, {"follow", following, defaultWait}, {"follow200ms", following, "200ms"},
	} {
		all[g.name] = newGateway(b, k, g.name, g.pipelines, g.wait)
		all[g.name].awaitReady(b)
		all[g.name].spend(b, 32, g.name != "append") // warm
	}
	for _, senders := range []int{8, 32} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			spent, ratios := map[string][]float64{}, map[string][]float64{}
			for b.Loop() {
				round := map[string]float64{}
				for name, g := range all {
					round[name] = g.spend(b, senders, name != "append")
				}
				for name, ns := range round {
					spent[name] = append(spent[name], ns)
					ratios[name] = append(ratios[name], ns/round["pass"])
				}
			}
			for name := range all {
				measure.Report(b, spent[name], name+"-ns/record")
				if name != "pass" {
					measure.Report(b, ratios[name], name+"/pass")
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

type gateway struct {
	*process.Process
	arrived atomic.Int64 // records at the other end
	sent    int
}

func newGateway(b *testing.B, k *kafka.Cluster, name, pipelines, wait string) *gateway {
	b.Helper()
	g := &gateway{}
	decoder, err := zstd.NewReader(nil)
	require.NoError(b, err)
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			body, err = decoder.DecodeAll(body, nil)
		}
		logs, decodeErr := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
		if err != nil || decodeErr != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		for _, r := range logs.ResourceLogs().All() {
			if name, _ := r.Resource().Attributes().Get("service.name"); name.Str() == "load" {
				g.arrived.Add(int64(r.ScopeLogs().At(0).LogRecords().Len()))
			}
		}
	}))
	b.Cleanup(sink.Close)
	text := fmt.Sprintf(head, strings.Join(k.Addresses(), ","), name, sink.URL, wait) + pipelines
	path := filepath.Join(b.TempDir(), "pipeline.yaml")
	require.NoError(b, os.WriteFile(path, []byte(text), 0o600))
	// The same garbage collection for all, whatever lives.
	g.Process = process.Start(b, process.Settings{Configs: []string{path}, Env: map[string]string{"GOGC": "off", "GOMEMLIMIT": "500MiB"}})
	return g
}

// awaitReady waits until a request is taken: topics have to be made.
func (g *gateway) awaitReady(b *testing.B) {
	b.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		answer, err := send.Logs(g.HTTP(), send.LogBatch("probe", 0, 1))
		if err == nil && answer.Status == http.StatusOK {
			return
		}
		require.True(b, time.Now().Before(end), "%v %v", answer, err)
	}
}

// spend sends requests that were never sent before and returns the CPU for each record, in nanoseconds, when all have arrived.
func (g *gateway) spend(b *testing.B, senders int, arrives bool) float64 {
	b.Helper()
	var bodies [][]byte
	for range requestsPerRun {
		logs := send.LogBatch("load", g.sent, recordsPerRequest)
		logs.ResourceLogs().At(0).Resource().Attributes().PutStr("host.name", fmt.Sprint("host-", g.sent/recordsPerRequest%50))
		g.sent += recordsPerRequest
		body, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
		require.NoError(b, err)
		bodies = append(bodies, body)
	}
	before, goal := g.CPUSoFar(b), g.arrived.Load()+requestsPerRun*recordsPerRequest
	var wg sync.WaitGroup
	var next, failed atomic.Int64
	for range senders {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < requestsPerRun; i = next.Add(1) - 1 {
				answer, err := send.Post(g.HTTP(), "/v1/logs", bodies[i], "Content-Type", "application/x-protobuf")
				if err != nil || answer.Status != http.StatusOK {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.Zero(b, failed.Load())
	for end := time.Now().Add(time.Minute); arrives && g.arrived.Load() < goal; time.Sleep(time.Millisecond) {
		require.True(b, time.Now().Before(end), "%d of %d records arrived", g.arrived.Load(), goal)
	}
	return float64(g.CPUSoFar(b)-before) / (requestsPerRun * recordsPerRequest)
}
