package rows_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
)

// TestFilesCanBePruned looks at what lets engines skip row groups: statistics, the bloom filter, the declared order.
func TestFilesCanBePruned(t *testing.T) {
	e := rows.NewTraces()
	td := sampleTraces(2000)
	plan := e.Split(td, "acme", 256)
	require.Len(t, plan.Partitions, 1)
	var buf bytes.Buffer
	require.NoError(t, e.Write(&buf, plan.Partitions[0]))
	pf, err := file.NewParquetReader(bytes.NewReader(buf.Bytes()))
	require.NoError(t, err)
	md := pf.MetaData()
	require.Equal(t, "traces/"+rows.SchemaVersion, *md.KeyValueMetadata().FindValue("penstock.schema"))
	require.Equal(t, "acme", *md.KeyValueMetadata().FindValue("penstock.tenant"))
	require.NotEmpty(t, md.GetCreatedBy())
	group := md.RowGroup(0)
	column := func(name string) int { return md.Schema.ColumnIndexByName(name) }

	sorting := group.SortingColumns()
	require.Len(t, sorting, 2)
	require.Equal(t, int32(column("service_name")), sorting[0].ColumnIdx)
	require.Equal(t, int32(column("time")), sorting[1].ColumnIdx)

	service := statistics(t, group, column("service_name"))
	require.Equal(t, "cart", string(service.EncodeMin()))
	require.Equal(t, "payment", string(service.EncodeMax()))
	require.Zero(t, service.NullCount())
	times := statistics(t, group, column("time")).(*metadata.Int64Statistics)
	require.Equal(t, int64(sampleStart/1000), times.Min()/1000*1000)
	require.Less(t, times.Min(), times.Max())
	require.Equal(t, int64(2000), statistics(t, group, column("error_type")).NullCount())

	bloom, err := pf.GetBloomFilterReader().RowGroup(0)
	require.NoError(t, err)
	filter, err := bloom.GetColumnBloomFilter(column("trace_id"))
	require.NoError(t, err)
	require.NotNil(t, filter)
	typed := metadata.TypedBloomFilter[parquet.ByteArray]{BloomFilter: filter}
	found := 0
	for _, rs := range td.ResourceSpans().All() {
		for _, s := range rs.ScopeSpans().At(0).Spans().All() {
			require.True(t, typed.Check(parquet.ByteArray(s.TraceID().String())))
			if typed.Check(parquet.ByteArray(s.SpanID().String() + s.ParentSpanID().String())) {
				found++
			}
		}
	}
	require.Less(t, found, 2000/20, "false positives")
}

// A search for a service, a span or a metric by its name skips files that don't have it, though it lies between the least and the greatest.
func TestNamesHaveBloomFilters(t *testing.T) {
	for _, c := range []struct {
		column, has string
		write       func(w *bytes.Buffer) error
	}{
		{"service_name", "payment", writeTraces},
		{"name", "GET /cart", writeTraces},
		{"service_name", "payment", writeMetrics},
		{"metric_name", "http.server.measure.0", writeMetrics},
	} {
		var buf bytes.Buffer
		require.NoError(t, c.write(&buf))
		pf, err := file.NewParquetReader(bytes.NewReader(buf.Bytes()))
		require.NoError(t, err)
		bloom, err := pf.GetBloomFilterReader().RowGroup(0)
		require.NoError(t, err)
		filter, err := bloom.GetColumnBloomFilter(pf.MetaData().Schema.ColumnIndexByName(c.column))
		require.NoError(t, err)
		require.NotNil(t, filter, c.column)
		typed := metadata.TypedBloomFilter[parquet.ByteArray]{BloomFilter: filter}
		require.True(t, typed.Check(parquet.ByteArray(c.has)), c.column)
		found := 0
		for i := range 1000 {
			if typed.Check(parquet.ByteArray(fmt.Sprint("absent-", i))) {
				found++
			}
		}
		require.Less(t, found, 100, "%s: false positives", c.column)
	}
}

func writeTraces(w *bytes.Buffer) error {
	e := rows.NewTraces()
	return e.Write(w, e.Split(sampleTraces(2000), "", 256).Partitions[0])
}

func writeMetrics(w *bytes.Buffer) error {
	e := rows.NewMetrics()
	return e.Write(w, e.Split(sampleMetrics(2000), "", 256).Partitions[0])
}

func statistics(t *testing.T, group *metadata.RowGroupMetaData, column int) metadata.TypedStatistics {
	t.Helper()
	c, err := group.ColumnChunk(column)
	require.NoError(t, err)
	s, err := c.Statistics()
	require.NoError(t, err)
	return s
}
