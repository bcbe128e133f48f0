package rows_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/cputime"
)

// arrowLogs is the peer that one would write first: Arrow record builders with the columns that matter, and the library's
// writer. It keeps less than rows.Logs does: no types, no nanoseconds, no dropped counts, no promoted attributes but one, unsorted.
func arrowLogs(b *testing.B, w io.Writer, ld plog.Logs) {
	text := arrow.BinaryTypes.String
	sc := arrow.NewSchema([]arrow.Field{
		{Name: "time", Type: arrow.FixedWidthTypes.Timestamp_us},
		{Name: "severity_number", Type: arrow.PrimitiveTypes.Int32},
		{Name: "severity_text", Type: text},
		{Name: "body", Type: text},
		{Name: "trace_id", Type: text},
		{Name: "span_id", Type: text},
		{Name: "service_name", Type: text},
		{Name: "attributes", Type: arrow.MapOf(text, text)},
		{Name: "resource_attributes", Type: arrow.MapOf(text, text)},
		{Name: "scope_name", Type: text},
	}, nil)
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1))
	fw, err := pqarrow.NewFileWriter(sc, struct{ io.Writer }{w}, props, pqarrow.DefaultWriterProps())
	require.NoError(b, err)
	rb := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer rb.Release()
	str := func(i int, s string) { rb.Field(i).(*array.StringBuilder).Append(s) }
	attributes := func(i int, m pcommon.Map) {
		mb := rb.Field(i).(*array.MapBuilder)
		mb.Append(true)
		for k, v := range m.All() {
			mb.KeyBuilder().(*array.StringBuilder).Append(k)
			mb.ItemBuilder().(*array.StringBuilder).Append(v.AsString())
		}
	}
	flush := func() {
		rec := rb.NewRecordBatch()
		require.NoError(b, fw.WriteBuffered(rec))
		rec.Release()
	}
	n := 0
	for _, rl := range ld.ResourceLogs().All() {
		service, _ := rl.Resource().Attributes().Get("service.name")
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				rb.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(lr.Timestamp() / 1000))
				rb.Field(1).(*array.Int32Builder).Append(int32(lr.SeverityNumber()))
				str(2, lr.SeverityText())
				str(3, lr.Body().AsString())
				str(4, lr.TraceID().String())
				str(5, lr.SpanID().String())
				str(6, service.Str())
				attributes(7, lr.Attributes())
				attributes(8, rl.Resource().Attributes())
				str(9, sl.Scope().Name())
				if n++; n%8192 == 0 {
					flush()
				}
			}
		}
	}
	flush()
	require.NoError(b, fw.Close())
}

func benchArrow(b *testing.B, ld plog.Logs) {
	b.ReportAllocs()
	var out counter
	begin := cputime.Spent()
	for b.Loop() {
		out.n = 0
		arrowLogs(b, &out, ld)
	}
	report(b, out.n, begin)
}

// BenchmarkSameColumns compares with the library alone: it writes a file's own columns again, from Arrow arrays that are there already, dictionaries and levels still to be made.
// What makes columns of OTLP, and sorts, is in this package's figure only.
func BenchmarkSameColumns(b *testing.B) {
	ld := longLogs(benchRows)
	e := rows.NewLogs()
	var file bytes.Buffer
	for _, p := range e.Split(ld, "", 256).Partitions {
		require.NoError(b, e.Write(&file, p))
	}
	table, err := pqarrow.ReadTable(b.Context(), bytes.NewReader(file.Bytes()), nil, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(b, err)
	defer table.Release()
	require.EqualValues(b, benchRows, table.NumRows(), "one partition")
	b.Run("parquet", func(b *testing.B) { benchParquet(b, ld, e) })
	b.Run("arrow_alone", func(b *testing.B) {
		props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1))
		b.ReportAllocs()
		var out counter
		begin := cputime.Spent()
		for b.Loop() {
			out.n = 0
			require.NoError(b, pqarrow.WriteTable(table, struct{ io.Writer }{&out}, benchRows, props, pqarrow.DefaultWriterProps()))
		}
		report(b, out.n, begin)
	})
}
