package keeper_test

import (
	"fmt"
	"io"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/internal/columnar"
	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/memstore"
)

// BenchmarkMerge merges an hour of log records: 120 files of 1000 rows with the columns that a search uses, in memory.
func BenchmarkMerge(b *testing.B) {
	const files, rows = 120, 1000
	for _, level := range []int{3, 11} {
		b.Run(fmt.Sprint("level=", level), func(b *testing.B) {
			store := memstore.New()
			for i := range files {
				_, err := store.Write(b.Context(), lakestore.PartitionDir("logs", hour, "a"), fmt.Sprintf("penstock.logs-0-%020d-%020d-0", i, i+1), logFile(b, i, rows))
				require.NoError(b, err)
			}
			written := list(b, store, "logs")
			set := settings()
			set.Target, set.Memory, set.Level = 128<<20, 256<<20, level
			b.ReportAllocs()
			cpu := time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				round := memstore.New()
				for _, f := range written {
					r, err := store.Open(b.Context(), f.Path)
					require.NoError(b, err)
					content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
					require.NoError(b, err)
					require.NoError(b, round.Put(b.Context(), f.Path, content))
				}
				k := keeper.New(round, set, nil, &events{}, func() error { return nil }, func() int64 { return 1 })
				before := cputime.Spent()
				b.StartTimer()
				_, err := k.Pass(b.Context(), "logs", noon)
				b.StopTimer()
				require.NoError(b, err)
				cpu += cputime.Spent() - before
				require.Len(b, list(b, round, path.Dir(written[0].Path)), 1)
				b.StartTimer()
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*files*rows), "cpu-ns/row")
		})
	}
}

// logFile encodes log records whose texts differ in numbers, of some services.
func logFile(b *testing.B, seed, rows int) func(io.Writer) error {
	return func(w io.Writer) error {
		table := columnar.NewTable()
		g := table.Root()
		service, at, trace, body := g.String("service_name", 0), g.Timestamp("time", columnar.Required), g.String("trace_id", 0), g.String("body", 0)
		severity := g.Int64("severity_number", columnar.Required)
		key, value := g.Map("attributes")
		f, err := table.NewFile(w, columnar.FileSettings{Rows: rows, SortedBy: []string{"service_name", "time"},
			Metadata: map[string]string{"penstock.schema": "logs/2", "penstock.tenant": "a"}, CreatedBy: "penstock version 2.0.0"})
		require.NoError(b, err)
		for i := range rows {
			n := uint64(seed*rows+i) * 0x9e3779b97f4a7c15
			service.Put([]byte(fmt.Sprint("service-", i*8/rows)))
			at.Put(hour.UnixMicro() + int64(seed*rows+i))
			trace.Put([]byte(fmt.Sprintf("%016x%016x", n, n*31)))
			body.Put([]byte(fmt.Sprintf("user %d asked for item %d of cart %x and got %d after %d ms", n%10_000, n%977, n>>32, n%5*100+100, n%300)))
			severity.Put(int64(9 + n%3*4))
			key.PutAt([]byte("http.request.method"), 0)
			value.PutAt([]byte("GET"), 0)
			key.PutAt([]byte("url.path"), 1)
			value.PutAt([]byte(fmt.Sprint("/cart/", n%977)), 1)
			if err := f.EndRow(); err != nil {
				return err
			}
		}
		return f.Close()
	}
}
