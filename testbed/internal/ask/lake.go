package ask

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/require"
)

// Lake is the SQL table of signal in the lake at directory lake.
func Lake(lake, signal string) string {
	return "read_parquet('" + filepath.Join(lake, signal) + "/**/*.parquet', hive_partitioning = true, union_by_name = true)"
}

// LakeRows returns how many rows of signal (logs, traces, metrics) the lake in directory lake holds, as the footers of its
// finished files say.
func LakeRows(t testing.TB, lake, signal string) int64 {
	t.Helper()
	var rows int64
	for _, path := range LakeFiles(t, lake, signal) {
		r, err := file.OpenParquetFile(path, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was merged meanwhile
		}
		require.NoError(t, err, path)
		rows += r.NumRows()
		require.NoError(t, r.Close())
	}
	return rows
}

// AwaitLakeRows waits until the lake in directory lake holds at least so many rows of each signal: what only the journal has when a process ends
// reaches the lake with the next start.
func AwaitLakeRows(t testing.TB, lake string, want map[string]int64) {
	t.Helper()
	Eventually(t, func() error {
		for signal, n := range want {
			if rows := LakeRows(t, lake, signal); rows < n {
				return fmt.Errorf("the lake has %d of %d rows of %s", rows, n, signal)
			}
		}
		return nil
	})
}

// LakeFiles returns the finished files of signal. A lake that is not there yet has none.
func LakeFiles(t testing.TB, lake, signal string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(lake, signal), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") {
			files = append(files, path)
		}
		return nil
	})
	require.NoError(t, err)
	return files
}

// LakeTexts returns how many rows of signal have each text of a column, nulls left out. The lake must not change meanwhile.
func LakeTexts(t testing.TB, lake, signal, column string) map[string]int {
	t.Helper()
	rows := map[string]int{}
	for _, path := range LakeFiles(t, lake, signal) {
		r, err := file.OpenParquetFile(path, false)
		require.NoError(t, err, path)
		i := r.MetaData().Schema.ColumnIndexByName(column)
		require.GreaterOrEqual(t, i, 0, "%s has no column %s", path, column)
		for group := range r.NumRowGroups() {
			of, err := r.RowGroup(group).Column(i)
			require.NoError(t, err, path)
			texts := of.(*file.ByteArrayColumnChunkReader)
			values, levels := make([]parquet.ByteArray, 1024), make([]int16, 1024)
			for texts.HasNext() {
				_, n, err := texts.ReadBatch(int64(len(levels)), values, levels, nil)
				require.NoError(t, err, path)
				for _, value := range values[:n] {
					rows[string(value)]++
				}
			}
		}
		require.NoError(t, r.Close())
	}
	return rows
}
