package rows_test

import (
	"bytes"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
)

// Ids that come back far from each other are in a dictionary, those that come once or in one run are not. All are read back, and all are in a bloom filter
// whose size follows from how many there are.
func TestTraceIDsInBothEncodings(t *testing.T) {
	const n = 12_000
	id := func(k int) [16]byte { return [16]byte{byte(k), byte(k >> 8), 0xab, 15: byte(k * 7)} }
	for name, c := range map[string]struct {
		trace      func(i int) int
		dictionary bool
		bloom      int64 // most bytes of the filter
	}{
		"scattered": {func(i int) int { return i % 1000 }, true, 2 << 10},
		"runs":      {func(i int) int { return i / 12 }, false, 2 << 10},
		"unique":    {func(i int) int { return i }, false, 32 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			ld := plog.NewLogs()
			records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
			for i := range n {
				lr := records.AppendEmpty()
				lr.SetTimestamp(1_790_000_000_000_000_000)
				if i%5 > 0 { // the others have none
					lr.SetTraceID(id(c.trace(i)))
				}
			}
			e := rows.NewLogs()
			var buf bytes.Buffer
			require.NoError(t, e.Write(&buf, e.Split(ld, "", 256).Partitions[0]))
			for i, r := range readRows(t, buf.Bytes()) {
				column := r.cols["trace_id"].(*array.String)
				require.Equal(t, i%5 == 0, column.IsNull(r.i), i)
				if i%5 > 0 {
					require.Equal(t, records.At(i).TraceID().String(), column.Value(r.i), i)
				}
			}
			pf, err := file.NewParquetReader(bytes.NewReader(buf.Bytes()))
			require.NoError(t, err)
			at := pf.MetaData().Schema.ColumnIndexByName("trace_id")
			chunk, err := pf.MetaData().RowGroup(0).ColumnChunk(at)
			require.NoError(t, err)
			assert.Equal(t, c.dictionary, chunk.HasDictionaryPage())
			bloom, err := pf.GetBloomFilterReader().RowGroup(0)
			require.NoError(t, err)
			filter, err := bloom.GetColumnBloomFilter(at)
			require.NoError(t, err)
			assert.LessOrEqual(t, filter.Size(), c.bloom)
			typed := metadata.TypedBloomFilter[parquet.ByteArray]{BloomFilter: filter}
			for i := range n {
				if i%5 > 0 {
					require.True(t, typed.Check(parquet.ByteArray(records.At(i).TraceID().String())), i)
				}
			}
		})
	}
}
