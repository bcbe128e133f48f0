package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// What a job has written for a merged file that was lost takes its place in one change, only when all rows are there, and also after a repair that was interrupted
// behind the commit.
func TestRepairTakesOverWhatJobsWroteForAMergedFile(t *testing.T) {
	dir := dataDir(t)
	lake := filepath.Join(dir, "lake")
	const merged, first, second = hourDir + "/z00000001-e1-l3.parquet", hourDir + "/penstock.logs-0-00000000000000000100-00000000000000000110-0.parquet", hourDir + "/penstock.logs-0-00000000000000000110-00000000000000000130-0.parquet"
	change, err := json.Marshal(lakestore.Change{Partition: hourDir, Sequence: 1, Reason: "merge", Add: []lakestore.File{{Path: merged, Rows: 30}},
		Remove: []lakestore.File{{Path: first, Rows: 10}, {Path: second, Rows: 20}}})
	require.NoError(t, err)
	write(t, filepath.Join(lake, "_compacted", hourDir, "00000001.json"), change)
	write(t, filepath.Join(lake, merged), make([]byte, 1000))

	repair := func(apply bool) string {
		args := []string{"repair", "--data-dir", dir}
		if apply {
			args = append(args, "--apply")
		}
		printed, _ := call(t, args...)
		return printed
	}
	printed := repair(true)
	assert.Contains(t, printed, "30 rows of "+hourDir+", which compaction had merged from 2 files: offsets 100 to 129 of partition 0 of penstock.logs")
	assert.NoFileExists(t, filepath.Join(lake, merged))
	configs, err := filepath.Glob(filepath.Join(lake, "_refill", "merged-*.yaml"))
	require.NoError(t, err)
	require.Len(t, configs, 1)
	text, err := os.ReadFile(configs[0])
	require.NoError(t, err)
	assert.Contains(t, string(text), "offsets: [{partition: 0, first: 100, next: 130}]")
	assert.Contains(t, string(text), "recorded: [logs]")

	from := configs[0][:len(configs[0])-len(".yaml")]
	part := func(first, next string) string {
		return filepath.Join(from, hourDir, "penstock.logs-0@refill-0a-00000000000000000"+first+"-00000000000000000"+next+"-0.parquet")
	}
	write(t, part("100", "105"), parquetFile(t, 5))
	assert.Contains(t, repair(true), "the journal gave 5 of 30 again")
	assert.FileExists(t, part("100", "105"), "the job has not ended")
	write(t, part("105", "130"), parquetFile(t, 25))
	record, err := os.ReadFile(from + ".json")
	require.NoError(t, err)
	printed = repair(true)
	assert.Contains(t, printed, "moved 2 files")
	assert.NoDirExists(t, from)

	read := func() (c lakestore.Change) {
		content, err := os.ReadFile(filepath.Join(lake, "_compacted", hourDir, "00000002.json"))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(content, &c))
		return c
	}
	var gone, now []string
	for _, f := range read().Remove {
		gone = append(gone, f.Path)
	}
	for _, f := range read().Add {
		now = append(now, f.Path)
		assert.FileExists(t, filepath.Join(lake, f.Path))
	}
	assert.ElementsMatch(t, []string{merged, first, second}, gone)
	assert.Equal(t, []string{hourDir + "/penstock.logs-0-00000000000000000100-00000000000000000105-refilled-20000.parquet",
		hourDir + "/penstock.logs-0-00000000000000000105-00000000000000000130-refilled-20001.parquet"}, now)
	assert.Contains(t, repair(false), "nothing is damaged")

	// As if the repair had been killed behind the commit.
	write(t, from+".json", record)
	write(t, part("100", "105"), parquetFile(t, 5))
	write(t, part("105", "130"), parquetFile(t, 25))
	require.NoError(t, os.Remove(filepath.Join(lake, now[1])))
	before := read()
	assert.Contains(t, repair(true), "moved 2 files")
	assert.FileExists(t, filepath.Join(lake, now[1]))
	assert.Equal(t, before, read())
	assert.NoFileExists(t, filepath.Join(lake, "_compacted", hourDir, "00000003.json"))
	assert.Contains(t, repair(false), "nothing is damaged")

	// As if it had been killed while it removed what the jobs had written.
	for _, left := range []string{part("105", "130"), ""} {
		write(t, from+".json", record)
		if left != "" {
			write(t, left, parquetFile(t, 25))
		}
		assert.Contains(t, repair(true), "the rows are in the lake")
		assert.NoFileExists(t, filepath.Join(lake, "_compacted", hourDir, "00000003.json"), "rows would be there twice")
		assert.Contains(t, repair(false), "nothing is damaged")
	}
}
