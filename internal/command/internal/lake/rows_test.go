package lake_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/command/internal/lake"
)

// Names say which offsets a lake has, whether a follower, a job or a repair wrote them, and of the newest generation of a log only.
func TestCoveredOffsets(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"hour=05/penstock.logs-0-00000000000000000000-00000000000000000010-0.parquet",
		"hour=06/penstock.logs-0-00000000000000000010-00000000000000000015-1.parquet",
		"hour=05/penstock.logs-0@fill-1-00000000000000000020-00000000000000000030-0.parquet",
		"hour=05/penstock.logs-0-00000000000000000040-00000000000000000050-refilled-1.parquet",
		"hour=05/penstock.logs-1-00000000000000000000-00000000000000000099-0.parquet",
		"hour=05/penstock.logs-1-g1-00000000000000000007-00000000000000000009-0.parquet",
		"hour=05/something-else.parquet",
		"hour=05/notes.txt",
	} {
		path := filepath.Join(root, "logs", "date=2026-11-30", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	h, err := lake.Covered(t.Context(), lake.Dir(root), "logs")
	require.NoError(t, err)
	assert.Equal(t, 7, h.Files)
	assert.Equal(t, 1, h.Unnamed)
	assert.Equal(t, map[int32][]lake.Span{0: {{First: 0, Next: 15}, {First: 20, Next: 30}, {First: 40, Next: 50}}, 1: {{First: 7, Next: 9}}}, h.Spans)
	assert.Equal(t, []lake.Span{{First: 15, Next: 20}, {First: 30, Next: 40}, {First: 50, Next: 60}}, lake.Gaps(h.Spans[0], lake.Span{First: 2, Next: 60}))
	assert.Empty(t, lake.Gaps(h.Spans[0], lake.Span{First: 21, Next: 29}))
	assert.Equal(t, []lake.Span{{First: 3, Next: 4}}, lake.Gaps(nil, lake.Span{First: 3, Next: 4}))

	h, err = lake.Covered(t.Context(), lake.Dir(root), "traces")
	require.NoError(t, err, "a lake that is not there holds nothing")
	assert.Zero(t, h.Files)
}

// Files that compaction has merged count once, with their offsets; a file that reappears is not counted.
func TestMergedFilesHoldWhatTheyWereMergedOf(t *testing.T) {
	root := t.TempDir()
	const dir = "logs/date=2026-11-30/hour=05/tenant=a"
	write := func(name, content string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	const first, second = dir + "/penstock.logs-0-00000000000000000000-00000000000000000010-0.parquet", dir + "/penstock.logs-0-00000000000000000010-00000000000000000020-0.parquet"
	write("_compacted/"+dir+"/00000001.json", `{"partition":"`+dir+`","sequence":1,"add":[{"path":"`+dir+`/z00000001-e1-l3.parquet"}],"remove":[{"path":"`+first+`"},{"path":"`+second+`"}]}`)
	write(dir+"/z00000001-e1-l3.parquet", "")
	write(first, "")
	write(dir+"/penstock.logs-0-00000000000000000030-00000000000000000040-0.parquet", "")
	h, err := lake.Covered(t.Context(), lake.Dir(root), "logs")
	require.NoError(t, err)
	assert.Equal(t, map[int32][]lake.Span{0: {{First: 0, Next: 20}, {First: 30, Next: 40}}}, h.Spans)
	assert.Zero(t, h.Unnamed)
}
