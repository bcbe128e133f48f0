package durable_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/durable"
)

func TestWriteFileReplacesTheWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for _, text := range []string{"a long first text", "short"} {
		require.NoError(t, durable.WriteFile(path, []byte(text), 0o600))
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(content))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	assertNames(t, filepath.Dir(path), "state")
}

// A failed write leaves the former content, and no other file.
func TestAFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o700)) // a rename over it fails
	require.Error(t, durable.WriteFile(path, []byte("text"), 0o600))
	assertNames(t, dir, "state")
}

func TestSetAsideKeepsEveryFile(t *testing.T) {
	now := time.Date(2026, 11, 29, 2, 3, 4, 0, time.UTC)
	dir := t.TempDir()
	path := filepath.Join(dir, "queue")
	var names []string
	for _, text := range []string{"first", "second"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		aside, err := durable.SetAside(path, now)
		require.NoError(t, err)
		content, err := os.ReadFile(aside)
		require.NoError(t, err)
		assert.Equal(t, text, string(content))
		assert.True(t, durable.IsAside(aside))
		names = append(names, filepath.Base(aside))
	}
	aside, err := durable.WriteAside(path, now, []byte("third"))
	require.NoError(t, err)
	assertNames(t, dir, append(names, filepath.Base(aside))...)
	assert.Equal(t, "queue.damaged-20261129T020304Z", names[0])
	assert.False(t, durable.IsAside(path))
}

func assertNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.ElementsMatch(t, want, names)
}
