package rows_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/cputime"
)

// longLogs are records of about 450 bytes of OTLP, in requests of 500 with a resource of their own, as a journal brings them.
func longLogs(n int) plog.Logs {
	r := rand.New(rand.NewPCG(5, 19))
	ld := plog.NewLogs()
	words := strings.Fields("order payment user accepted rejected retry timeout connection cache miss hit inventory shipment label printed queue worker started finished request response upstream")
	for at := 0; at < n; at += 500 {
		rl := ld.ResourceLogs().AppendEmpty()
		sampleResource(rl.Resource(), at/500%20)
		sl := rl.ScopeLogs().AppendEmpty()
		sampleScope(sl.Scope())
		for i := range min(500, n-at) {
			lr := sl.LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.Timestamp(sampleStart + uint64(at+i)*1e5 + r.Uint64N(1e5)))
			lr.SetObservedTimestamp(lr.Timestamp() + pcommon.Timestamp(r.Uint64N(1e9)))
			lr.SetSeverityNumber(plog.SeverityNumberInfo)
			lr.SetSeverityText("INFO")
			var body strings.Builder
			for body.Len() < 150 {
				fmt.Fprintf(&body, "%s %d ", words[r.IntN(len(words))], r.IntN(1e5))
			}
			lr.Body().SetStr(body.String())
			id, span := sampleID(r)
			lr.SetTraceID(id)
			lr.SetSpanID(span)
			sampleRequest(lr.Attributes(), r)
		}
	}
	return ld
}

// BenchmarkLongLogs is the CPU a row by the size of the files.
func BenchmarkLongLogs(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		ld := longLogs(n)
		raw, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		require.NoError(b, err)
		b.Run(fmt.Sprint("rows=", n), func(b *testing.B) {
			e := rows.NewLogs()
			var out counter
			begin := cputime.Spent()
			b.ReportAllocs()
			for b.Loop() {
				for range 100000 / n {
					out.n = 0
					for _, p := range e.Split(ld, "", 256).Partitions {
						require.NoError(b, e.Write(&out, p))
					}
				}
			}
			b.ReportMetric((cputime.Spent()-begin).Seconds()*1e6/100000/float64(b.N), "us/row")
			b.ReportMetric(float64(out.n)/float64(n), "B/row")
			b.ReportMetric(float64(len(raw))/float64(n), "otlpB/row")
		})
	}
}

// BenchmarkPartitions is the heap that is live behind each tenth of a batch's partitions, at most: their number costs files, not memory. Of each hour there are 20 records.
func BenchmarkPartitions(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint("partitions=", n), func(b *testing.B) {
			ld := longLogs(20 * n)
			at := 0
			for _, rl := range ld.ResourceLogs().All() {
				for _, lr := range rl.ScopeLogs().At(0).LogRecords().All() {
					lr.SetTimestamp(pcommon.Timestamp(sampleStart + uint64(at/20)*3600e9))
					at++
				}
			}
			e := rows.NewLogs()
			plan := e.Split(ld, "", n)
			require.Len(b, plan.Partitions, n)
			before, most := live(), uint64(0)
			for b.Loop() {
				for i, p := range plan.Partitions {
					require.NoError(b, e.Write(io.Discard, p))
					if (i+1)%(n/10) == 0 {
						most = max(most, live())
					}
				}
			}
			b.ReportMetric(float64(max(most, before)-before)/(1<<20), "MiB")
		})
	}
}

// live is the heap that is in use behind a collection.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
