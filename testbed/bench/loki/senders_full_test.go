//go:build full

package loki

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	rounds   = 5
	requests = 100 // a run, of perBatch records each
	services = 4
	perBatch = 1000
)

const config = `
receivers:
  otlp: {protocols: {http: {endpoint: "${env:PENSTOCK_OTLP_HTTP_ENDPOINT}"}}}
exporters:
  %s
extensions:
  health_check: {endpoint: "${env:PENSTOCK_HEALTH_ENDPOINT}"}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    logs: {receivers: [otlp], exporters: [%s]}
`

// sender is one exporter; %s in yaml is the address of Loki.
type sender struct{ name, component, yaml string }

var senders = []sender{
	{"loki", "loki", `loki: {endpoint: %s}`},
	{"otlphttp/gzip", "otlp_http", `otlp_http: {endpoint: %s/otlp, headers: {X-Scope-OrgID: default}, sending_queue: {enabled: false}}`},
	{"otlphttp/zstd", "otlp_http", `otlp_http: {endpoint: %s/otlp, compression: zstd, headers: {X-Scope-OrgID: default}, sending_queue: {enabled: false}}`},
	{"otlphttp/none", "otlp_http", `otlp_http: {endpoint: %s/otlp, compression: none, headers: {X-Scope-OrgID: default}, sending_queue: {enabled: false}}`},
}

// nothing receives and drops: its cost is subtracted from the others, so that exporters are compared and not receivers.
var nothing = sender{"nop", "nop", "nop: # %s"}

// BenchmarkSenders reports, as medians of interleaved rounds, records a second and core of the exporter alone, and
// bytes of request bodies a record.
func BenchmarkSenders(b *testing.B) {
	server := loki.Start(b, loki.Settings{Limits: "{ingestion_rate_mb: 1000, ingestion_burst_size_mb: 1000, per_stream_rate_limit: 1GB, per_stream_rate_limit_burst: 1GB}"})
	for b.Loop() {
		cpu := map[string][]float64{}  // µs a record
		wire := map[string][]float64{} // bytes a record
		for round := range rounds {
			batches := logs(round)
			base, _ := run(b, server, nothing, batches)
			for _, s := range senders {
				used, bytes := run(b, server, s, batches)
				n := float64(requests * perBatch)
				cpu[s.name] = append(cpu[s.name], float64((used-base).Microseconds())/n)
				wire[s.name] = append(wire[s.name], float64(bytes)/n)
			}
		}
		for _, s := range senders {
			b.Logf("%-14s %9.0f records/s a core, %6.1f bytes a record (cpu µs a record by round: %.2f)",
				s.name, 1e6/measure.Median(cpu[s.name]), measure.Median(wire[s.name]), cpu[s.name])
			measure.Report(b, cpu[s.name], s.name+"-µs/record")
			measure.Report(b, rates(cpu[s.name]), s.name+"-records/cpu-s")
			measure.Report(b, wire[s.name], s.name+"-B/record")
		}
		for _, peer := range senders[1:] {
			measure.Report(b, ratios(cpu[peer.name], cpu["loki"]), "x-records-of-"+peer.name)
			measure.Report(b, ratios(wire["loki"], wire[peer.name]), "x-bytes-of-"+peer.name)
		}
	}
}

// rates are records a second of CPU.
func rates(perRecord []float64) []float64 {
	all := make([]float64, len(perRecord))
	for i, us := range perRecord {
		all[i] = 1e6 / us
	}
	return all
}

// run sends all batches through the binary with one sender. It returns the CPU time of the process and the bytes that it sent on.
func run(b *testing.B, server *loki.Server, s sender, batches [][]byte) (time.Duration, int64) {
	b.Helper()
	to, err := url.Parse(server.URL())
	require.NoError(b, err)
	forward := httputil.NewSingleHostReverseProxy(to)
	var sent atomic.Int64
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		sent.Add(int64(len(body)))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		forward.ServeHTTP(w, r)
	}))
	defer way.Close()

	file := filepath.Join(b.TempDir(), "config.yaml")
	text := fmt.Sprintf(config, fmt.Sprintf(s.yaml, way.URL), s.component)
	require.NoError(b, os.WriteFile(file, []byte(text), 0o600))
	p := process.Start(b, process.Settings{Configs: []string{"file:" + file}})
	for _, body := range batches {
		answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf")
		require.NoError(b, err)
		require.Equal(b, http.StatusOK, answer.Status, answer.Body)
	}
	p.Terminate(b)
	return p.CPU(), sent.Load()
}

// logs makes the requests of a round: a web service's records with 8 resource and 6 record attributes.
func logs(round int) [][]byte {
	begin := time.Now()
	out := make([][]byte, requests)
	for n := range out {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		service := n % services
		_ = rl.Resource().Attributes().FromRaw(map[string]any{
			"service.name": fmt.Sprint("service-", service), "service.namespace": "shop", "deployment.environment.name": "production",
			"k8s.namespace.name": "shop", "k8s.pod.name": fmt.Sprintf("service-%d-7d9c5b6f4-x2x7p", service),
			"k8s.node.name": "node-17.eu-central-1.internal", "telemetry.sdk.language": "go", "telemetry.sdk.version": "1.45.0",
		})
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("github.com/example/shop/http")
		for i := range perBatch {
			id := (round*requests+n)*perBatch + i
			lr := sl.LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(id) * time.Microsecond)))
			lr.SetSeverityNumber(plog.SeverityNumber(9 + 4*(i%3)))
			lr.SetSeverityText("INFO")
			// Ids that do not compress, as real ones.
			h := uint64(id) * 0x9E3779B97F4A7C15
			lr.SetTraceID([16]byte{byte(h), byte(h >> 8), byte(h >> 16), byte(h >> 24), byte(h >> 32), byte(h >> 40), byte(h >> 48), byte(h >> 56), byte(h * 3), byte(h * 3 >> 8), byte(h * 5 >> 16), byte(h * 7 >> 24), byte(h * 11 >> 32), byte(h * 13 >> 40), byte(h * 17 >> 48), byte(h * 19 >> 56)})
			lr.SetSpanID([8]byte{byte(h * 23), byte(h * 29 >> 8), byte(h * 31 >> 16), byte(h * 37 >> 24), byte(h * 41 >> 32), byte(h * 43 >> 40), byte(h * 47 >> 48), byte(h * 53 >> 56)})
			lr.Body().SetStr(fmt.Sprintf("GET /api/v1/orders/%d handled in %d ms, 3 rows from the replica, cache miss for key order:%d", h%100000, h%97, h%100000))
			_ = lr.Attributes().FromRaw(map[string]any{
				"http.request.method": "GET", "http.route": "/api/v1/orders/{id}", "http.response.status_code": 200,
				"duration_ms": int64(h % 97), "user.id": fmt.Sprint("user-", h%1000), "client.address": fmt.Sprintf("10.1.%d.%d", h%200, h>>8%200),
			})
		}
		body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
		if err != nil {
			panic(err)
		}
		out[n] = body
	}
	return out
}

func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}
