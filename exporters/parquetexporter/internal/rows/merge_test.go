package rows_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/columnar"
)

// encoders of a signal write a file of a random batch.
type signal struct {
	sortedBy []string
	files    func(r random) [][]byte
	item     func(t *testing.T, r record) string
}

func filesOf[D any, E interface {
	Split(D, string, int) *rows.Plan
	Write(io.Writer, rows.Partition) error
}](t *testing.T, e E, batch D) (all [][]byte) {
	for _, p := range e.Split(batch, "", 4).Partitions {
		var buf bytes.Buffer
		require.NoError(t, e.Write(&buf, p))
		all = append(all, buf.Bytes())
	}
	return all
}

func signals(t *testing.T) map[string]signal {
	logs, traces, metrics := rows.NewLogs(), rows.NewTraces(), rows.NewMetrics()
	return map[string]signal{
		"logs": {[]string{"service_name", "metric_name", "time"}, func(r random) [][]byte { return filesOf(t, logs, r.logs()) },
			func(t *testing.T, r record) string { return logItem(t, r.log()) }},
		"traces": {[]string{"service_name", "time"}, func(r random) [][]byte { return filesOf(t, traces, r.traces()) },
			func(t *testing.T, r record) string { return spanItem(t, r.span()) }},
		"metrics": {[]string{"service_name", "metric_name", "time"}, func(r random) [][]byte { return filesOf(t, metrics, r.metrics()) },
			func(t *testing.T, r record) string { return metricItem(t, r.metrics()) }},
	}
}

func merge(t *testing.T, files [][]byte, set columnar.MergeSettings) ([]byte, columnar.Merged) {
	t.Helper()
	var sources []*columnar.Source
	for _, f := range files {
		s, err := columnar.OpenSource(bytes.NewReader(f), int64(len(f)))
		require.NoError(t, err)
		sources = append(sources, s)
	}
	var out bytes.Buffer
	m, err := columnar.Merge(&out, sources, set)
	require.NoError(t, err)
	return out.Bytes(), m
}

// A merged file has each row of the files that it was made of, bit by bit, in the order that they have.
func TestMergedFilesHaveTheSameRows(t *testing.T) {
	for name, s := range signals(t) {
		t.Run(name, func(t *testing.T) {
			var files [][]byte
			var want []string
			round := func(t *testing.T, r random) {
				for _, f := range s.files(r) {
					for _, row := range readRows(t, f) {
						want = append(want, s.item(t, row))
					}
					files = append(files, f)
				}
				if len(files) < 8 && r.scale == 1 {
					return
				}
				data, m := merge(t, files, columnar.MergeSettings{SortedBy: s.sortedBy, Level: 3, Metadata: map[string]string{"penstock.tenant": "a"}})
				require.Equal(t, int64(len(want)), m.Rows)
				require.Zero(t, m.Left)
				require.True(t, m.Sorted)
				var got []string
				merged := readRows(t, data)
				for i, row := range merged {
					got = append(got, s.item(t, row))
					if i > 0 {
						require.LessOrEqual(t, merged[i-1].raw("service_name"), row.raw("service_name"))
					}
				}
				sameItems(t, want, got)
				files, want = nil, nil
			}
			for seed := range uint64(12) {
				round(t, random{rand.New(rand.NewPCG(seed, 3)), t, 1})
			}
			round(t, random{rand.New(rand.NewPCG(1, 3)), t, 3 * columnar.ChunkRows / 20}) // more than a chunk
		})
	}
}

// What is merged is written as it was: statistics, dictionaries and bloom filters stay, so searches prune as before.
func TestMergedFilesCanBePruned(t *testing.T) {
	batches := dataLogs(20_000)
	e := rows.NewLogs()
	var parts [][]byte
	for at := 0; at < len(batches); at += 5 {
		parts = append(parts, filesOf(t, e, mergeLogs(batches[at:at+5]))...)
	}
	whole := filesOf(t, e, mergeLogs(dataLogs(20_000)))
	require.Len(t, whole, 1)
	data, m := merge(t, parts, columnar.MergeSettings{SortedBy: []string{"service_name", "time"}})
	assert.Equal(t, int64(20_000), m.Rows)
	a, err := file.NewParquetReader(bytes.NewReader(whole[0]))
	require.NoError(t, err)
	b, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	require.Equal(t, a.MetaData().Schema.String(), b.MetaData().Schema.String())
	for c := range a.MetaData().Schema.NumColumns() {
		one, err := a.MetaData().RowGroup(0).ColumnChunk(c)
		require.NoError(t, err)
		other, err := b.MetaData().RowGroup(0).ColumnChunk(c)
		require.NoError(t, err)
		path := one.PathInSchema().String()
		assert.Equal(t, one.HasDictionaryPage(), other.HasDictionaryPage(), path)
		oneSet, _ := one.StatsSet()
		otherSet, _ := other.StatsSet()
		assert.Equal(t, oneSet, otherSet, "%s: statistics", path)
		assert.Equal(t, one.BloomFilterLength() > 0, other.BloomFilterLength() > 0, "%s: bloom filter", path)
		assert.LessOrEqual(t, other.BloomFilterLength(), 4*one.BloomFilterLength(), "%s: bloom filter", path)
	}
	sum := 0
	for _, p := range parts {
		sum += len(p)
	}
	t.Logf("%d files: %d bytes; merged: %d; written at once: %d", len(parts), sum, len(data), len(whole[0]))
	assert.Less(t, len(data), sum)
}

// Rows of a rollup stay longer than those that it was made of.
func TestRowsAreLeftOutByAnAttribute(t *testing.T) {
	e := rows.NewLogs()
	var files [][]byte
	for i, window := range []string{"", "1m", "1h", "", "1h"} {
		ld := plog.NewLogs()
		records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for j := range 3 {
			lr := records.AppendEmpty()
			lr.Body().SetInt(int64(3*i + j))
			lr.Attributes().PutStr("a", "1h")
			if window != "" && j > 0 {
				lr.Attributes().PutStr("rollup.window", window)
			}
			lr.Attributes().PutStr("z", "1m")
		}
		files = append(files, filesOf(t, e, ld)...)
	}
	data, m := merge(t, files, columnar.MergeSettings{SortedBy: []string{"time"}, Keep: &columnar.Filter{Map: "attributes", Key: "rollup.window", Keep: func(v string) bool { return v == "1h" }}})
	assert.Equal(t, columnar.Merged{Rows: 4, Left: 11, Sorted: true}, m)
	var got []string
	for _, r := range readRows(t, data) {
		got = append(got, r.raw("body"))
	}
	assert.ElementsMatch(t, []string{"7", "8", "13", "14"}, got)
	data, m = merge(t, files, columnar.MergeSettings{Keep: &columnar.Filter{Map: "attributes", Key: "rollup.window", Keep: func(string) bool { return false }}})
	assert.Empty(t, data)
	assert.Equal(t, int64(15), m.Left)
}
