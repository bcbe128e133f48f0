package pii

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

// requests are OTLP requests of 500 log records of a web service, one in a hundred dirty; each record has 519 bytes on the wire, give or take its
// numbers. No two requests are the same.
func requests(b *testing.B, n int) (list [][]byte, records int, size float64) {
	b.Helper()
	const each = 500
	r := rand.New(rand.NewPCG(3, 4))
	for range n {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", "checkout")
		rl.Resource().Attributes().PutStr("service.instance.id", "6f1c9a52-6a3e-4c0e-9a51-0f4a3c1b7d20")
		rl.Resource().Attributes().PutStr("host.name", "node-17.eu-west-1.example.internal")
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("dev.example.checkout.http")
		for range each {
			form := clean[r.IntN(len(clean))]
			if r.IntN(100) == 0 {
				form = dirty[r.IntN(len(dirty))]
			}
			rec := sl.LogRecords().AppendEmpty()
			rec.SetTimestamp(1710152553000000000)
			rec.SetObservedTimestamp(1710152553100000000)
			rec.SetSeverityNumber(plog.SeverityNumberInfo)
			rec.SetSeverityText("INFO")
			rec.SetTraceID([16]byte{1, byte(r.IntN(256)), byte(r.IntN(256))})
			rec.SetSpanID([8]byte{1, byte(r.IntN(256))})
			rec.Body().SetStr(fmt.Sprintf(form, r.IntN(100), r.IntN(250)))
			a := rec.Attributes()
			a.PutStr("log.file.name", "app.log")
			a.PutStr("http.request.method", "GET")
			a.PutStr("http.route", "/api/v2/items/{id}")
			a.PutStr("url.path", fmt.Sprintf("/api/v2/items/%08d", r.IntN(1e8)))
			a.PutInt("http.response.status_code", 200)
			a.PutInt("http.response.body.size", int64(r.IntN(100000)))
			a.PutStr("server.address", "shop.example.internal")
			a.PutStr("thread.name", fmt.Sprintf("http-nio-8080-exec-%d", r.IntN(20)))
			a.PutDouble("duration", r.Float64())
		}
		raw, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
		require.NoError(b, err)
		list = append(list, raw)
		size += float64(len(raw))
	}
	return list, n * each, size / float64(n*each)
}

// BenchmarkRecord measures the cost of a log record that arrives as OTLP, alternately with the scrubber after the decoder and without it:
// nanoseconds of CPU per record, and the ratio for a gateway that does nothing else.
func BenchmarkRecord(b *testing.B) {
	for _, keyed := range []bool{false, true} {
		name := "default"
		if keyed {
			name = "hashed"
		}
		b.Run(name, func(b *testing.B) {
			list, records, size := requests(b, 20)
			with := logsProcessor(b, piiscrubberprocessor.NewFactory(), func(c component.Config) {
				if keyed {
					c.(*piiscrubberprocessor.Config).KeyFile = b.TempDir() + "/pii.key"
				}
			})
			pass := func(next consumer.Logs) time.Duration {
				start := cputime.Spent()
				for _, raw := range list {
					req := plogotlp.NewExportRequest()
					require.NoError(b, req.UnmarshalProto(raw))
					require.NoError(b, next.ConsumeLogs(context.Background(), req.Logs()))
				}
				return cputime.Spent() - start
			}
			bare := consumertest.NewNop()
			pass(with)
			pass(bare)
			var decode, scrubber, ratio []float64
			for b.Loop() {
				off, on := pass(bare), pass(with)
				decode = append(decode, float64(off.Nanoseconds())/float64(records))
				scrubber = append(scrubber, float64((on-off).Nanoseconds())/float64(records))
				ratio = append(ratio, on.Seconds()/off.Seconds())
			}
			b.ReportMetric(size, "B/record")
			measure.Report(b, decode, "decode-ns/record")
			measure.Report(b, scrubber, "scrubber-ns/record")
			measure.Report(b, ratio, "times-decode")
			b.ReportMetric(0, "ns/op")
		})
	}
}
