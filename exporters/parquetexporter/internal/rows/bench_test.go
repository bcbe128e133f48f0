package rows_test

import (
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/cputime"
)

// Each benchmark encodes the same batch three ways: into this package's table, and into what contrib's file exporter writes with
// compression: zstd, OTLP as JSON and as protobuf; logs also by Arrow records (peer_test.go). Compare the rows/cpu-s of one run; file sizes are in B/row.

const benchRows = 100_000

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

func report(b *testing.B, bytes int64, begin time.Duration) {
	b.Helper()
	b.ReportMetric(float64(benchRows)*float64(b.N)/(cputime.Spent()-begin).Seconds(), "rows/cpu-s")
	b.ReportMetric(float64(bytes)/benchRows, "B/row")
}

func benchParquet[D any](b *testing.B, data D, e interface {
	Split(D, string, int) *rows.Plan
	Write(io.Writer, rows.Partition) error
}) {
	b.ReportAllocs()
	var out counter
	begin := cputime.Spent()
	for b.Loop() {
		out.n = 0
		for _, p := range e.Split(data, "", 256).Partitions {
			require.NoError(b, e.Write(&out, p))
		}
	}
	report(b, out.n, begin)
}

func benchOTLP[D any](b *testing.B, data D, marshal func(D) ([]byte, error)) {
	b.ReportAllocs()
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(b, err)
	var buf []byte
	begin := cputime.Spent()
	for b.Loop() {
		msg, err := marshal(data)
		require.NoError(b, err)
		buf = enc.EncodeAll(msg, buf[:0])
	}
	report(b, int64(len(buf)), begin)
}

func BenchmarkLogs(b *testing.B) {
	ld := sampleLogs(benchRows)
	b.Run("parquet", func(b *testing.B) { benchParquet(b, ld, rows.NewLogs()) })
	b.Run("arrow_records", func(b *testing.B) { benchArrow(b, ld) })
	b.Run("json_zstd", func(b *testing.B) { benchOTLP(b, ld, (&plog.JSONMarshaler{}).MarshalLogs) })
	b.Run("otlp_zstd", func(b *testing.B) { benchOTLP(b, ld, (&plog.ProtoMarshaler{}).MarshalLogs) })
}

func BenchmarkTraces(b *testing.B) {
	td := sampleTraces(benchRows)
	b.Run("parquet", func(b *testing.B) { benchParquet(b, td, rows.NewTraces()) })
	b.Run("json_zstd", func(b *testing.B) { benchOTLP(b, td, (&ptrace.JSONMarshaler{}).MarshalTraces) })
	b.Run("otlp_zstd", func(b *testing.B) { benchOTLP(b, td, (&ptrace.ProtoMarshaler{}).MarshalTraces) })
}

func BenchmarkMetrics(b *testing.B) {
	md := sampleMetrics(benchRows)
	b.Run("parquet", func(b *testing.B) { benchParquet(b, md, rows.NewMetrics()) })
	b.Run("json_zstd", func(b *testing.B) { benchOTLP(b, md, (&pmetric.JSONMarshaler{}).MarshalMetrics) })
	b.Run("otlp_zstd", func(b *testing.B) { benchOTLP(b, md, (&pmetric.ProtoMarshaler{}).MarshalMetrics) })
}
