package auditlog_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/adminextension/internal/auditlog"
)

// Every line is whole and in one file only, over rotations and from many goroutines.
func TestLinesStayWholeOverRotations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l, err := auditlog.Open(auditlog.Settings{File: filepath.Join(dir, "audit.jsonl"), MaxSize: 1})
	require.NoError(t, err)
	const writers, each = 4, 300
	filler := strings.Repeat("x", 2000)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				assert.NoError(t, l.Write(map[string]any{"n": w*each + i, "text": filler}))
			}
		})
	}
	wg.Wait()
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	assert.Error(t, l.Write("late"))

	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Greater(t, len(files), 1, "it was rotated")
	seen := map[int]bool{}
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range bytes.Lines(content) {
			var got struct{ N int }
			require.NoError(t, json.Unmarshal(line, &got))
			assert.False(t, seen[got.N])
			seen[got.N] = true
		}
	}
	assert.Len(t, seen, writers*each)
}

func TestAFileThatCanNotBeWritten(t *testing.T) {
	dir := t.TempDir()
	_, err := auditlog.Open(auditlog.Settings{File: dir, MaxSize: 1})
	assert.Error(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	_, err = auditlog.Open(auditlog.Settings{File: filepath.Join(dir, "file", "x"), MaxSize: 1})
	assert.Error(t, err)
}
