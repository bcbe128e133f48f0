package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
	"github.com/penstockhq/penstock/internal/cputime"
)

// serviceRecords is a request of n log records of a service: a text of 150 bytes, a trace, six attributes and eight of the resource.
func serviceRecords(r *rand.Rand, pod, n int, at time.Time) plog.Logs {
	words := []string{"order", "payment", "user", "accepted", "rejected", "retry", "timeout", "connection", "cache", "miss", "inventory", "shipment"}
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	for key, value := range map[string]string{
		"service.name": fmt.Sprint("service-", pod%5), "service.namespace": "shop", "service.version": "1.42.0", "host.name": fmt.Sprint("node-", pod%7),
		"k8s.namespace.name": "shop", "k8s.pod.name": fmt.Sprint("pod-7d4b9c-", pod), "telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry",
	} {
		rl.Resource().Attributes().PutStr(key, value)
	}
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	var trace pcommon.TraceID
	for i := range n {
		if i%6 == 0 {
			binary.LittleEndian.PutUint64(trace[:], r.Uint64())
			binary.LittleEndian.PutUint64(trace[8:], r.Uint64())
		}
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(r.IntN(1e6)))))
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.SetSeverityText("INFO")
		body := ""
		for len(body) < 150 {
			body += fmt.Sprintf("%s %d ", words[r.IntN(len(words))], r.IntN(1e4))
		}
		lr.Body().SetStr(body)
		lr.SetTraceID(trace)
		lr.SetSpanID([8]byte(binary.LittleEndian.AppendUint64(nil, r.Uint64())))
		a := lr.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("http.route", fmt.Sprint("/api/v1/", words[r.IntN(len(words))]))
		a.PutInt("http.response.status_code", 200)
		a.PutStr("server.address", "shop.example.internal")
		a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
		a.PutInt("http.request.body.size", int64(r.IntN(1<<16)))
	}
	return ld
}

// BenchmarkAddLogs is the CPU time of a row, from OTLP in memory to files with all merges that become due, made durable every 100 000 rows as live
// delivery at 20 000 rows a second does it. Build it as the distribution is built: CGO_ENABLED=0.
func BenchmarkAddLogs(b *testing.B) {
	const rows, durable = 400_000, 100_000
	for _, n := range []int{1, 20, 500} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			var spent, stored time.Duration
			var bytes float64
			for b.Loop() {
				b.StopTimer()
				s, err := store.Open(store.Settings{Directory: b.TempDir(), Retention: 7 * 24 * time.Hour, MaxTenants: 4, Memory: 256 << 20,
					StreamFields: []string{"service.namespace", "deployment.environment.name", "host.name"}, Log: zap.NewNop()})
				if err != nil {
					b.Fatal(err)
				}
				requests := make([]plog.Logs, rows/n/4)
				for i := range requests {
					requests[i] = serviceRecords(r, r.IntN(20), n, time.Now().Add(-time.Hour+time.Duration(i)*time.Second))
				}
				b.StartTimer()
				began := cputime.Spent()
				for offset := range int64(rows / n) {
					if _, err := s.AddLogs(context.Background(), requests[offset%int64(len(requests))], at("acme", offset)); err != nil {
						b.Fatal(err)
					}
					if (offset+1)*int64(n)%durable == 0 {
						if err := s.Flush(context.Background()); err != nil {
							b.Fatal(err)
						}
					}
				}
				spent += cputime.Spent() - began
				stored += rows
				of := s.Stats()
				bytes = float64(of.Bytes) / float64(of.Rows)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(spent)/float64(stored), "cpu-ns/row")
			b.ReportMetric(bytes, "B/row")
		})
	}
}
