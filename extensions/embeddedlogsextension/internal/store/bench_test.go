package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// usualRecords is a request of n access log lines of a service, with six attributes each.
func usualRecords(random *rand.Rand, service string, n int, at time.Time) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	for key, v := range map[string]string{"service.name": service, "service.namespace": "shop", "host.name": "node-3", "k8s.pod.name": service + "-6d5f7c9b4-x2x7p", "deployment.environment.name": "prod"} {
		rl.Resource().Attributes().PutStr(key, v)
	}
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i := range n {
		lr := records.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Duration(i) * time.Millisecond)))
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.SetSeverityText("INFO")
		order := random.IntN(1_000_000)
		lr.Body().SetStr(fmt.Sprintf("GET /api/v1/orders/%d handled in %d ms, 3 rows from the replica, cache miss for key order:%d", order, i%97, order))
		a := lr.Attributes()
		a.PutStr("http.request.method", "GET")
		a.PutStr("http.route", "/api/v1/orders/{id}")
		a.PutInt("http.response.status_code", 200)
		a.PutInt("duration_ms", int64(i%97))
		a.PutStr("user.id", fmt.Sprintf("user-%d", random.IntN(1000)))
		a.PutStr("client.address", fmt.Sprintf("10.1.%d.%d", random.IntN(200), random.IntN(200)))
	}
	return ld
}

// BenchmarkAddLogs is rows into the store, from OTLP in memory to files, for one caller.
func BenchmarkAddLogs(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s, err := store.Open(store.Settings{Directory: b.TempDir(), Retention: 7 * 24 * time.Hour, MaxTenants: 4, Memory: 256 << 20,
				StreamFields: []string{"service.namespace", "deployment.environment.name", "host.name"}, Log: zap.NewNop()})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			random := rand.New(rand.NewPCG(1, 2))
			requests := make([]plog.Logs, 50)
			for i := range requests {
				requests[i] = usualRecords(random, fmt.Sprint("service-", i%10), n, time.Now().Add(-time.Hour+time.Duration(i)*time.Second))
			}
			b.ReportAllocs()
			offset := int64(0)
			for b.Loop() {
				if _, err := s.AddLogs(context.Background(), requests[offset%int64(len(requests))], at("acme", offset)); err != nil {
					b.Fatal(err)
				}
				offset++
			}
			if err := s.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
			of := s.Stats()
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(of.Bytes)/float64(of.Rows), "B/row")
		})
	}
}
