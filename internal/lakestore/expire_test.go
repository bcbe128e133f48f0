package lakestore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
)

func TestPartitionsAreReadAsTheyAreWritten(t *testing.T) {
	hour := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	for _, tenant := range []string{"default", "team a/b", "é", "100%"} {
		p, ok := lakestore.ParsePartition(lakestore.PartitionDir("logs", hour, tenant))
		require.True(t, ok)
		assert.Equal(t, lakestore.Partition{Hour: hour, Tenant: tenant}, p)
	}
	for _, dir := range []string{"logs", "logs/date=x/hour=07/tenant=a", "logs/date=2026-11-24/hour=07/x", "a/logs/date=2026-11-24/hour=07/tenant=a"} {
		_, ok := lakestore.ParsePartition(dir)
		assert.False(t, ok, dir)
	}
}

func TestPartitionsGoWhole(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	write := func(hour time.Time, name string) string {
		w, err := d.Write(t.Context(), lakestore.PartitionDir("logs", hour, "a"), name, content(name))
		require.NoError(t, err)
		return w.Path
	}
	old := write(day, "1")
	write(day, "2")
	kept := write(day.Add(time.Hour), "1")
	files, err := d.Drop(t.Context(), filepath.Dir(old))
	require.NoError(t, err)
	assert.Equal(t, 2, files)
	assert.FileExists(t, filepath.Join(root, kept))
	files, err = d.Drop(t.Context(), filepath.Dir(old))
	require.NoError(t, err)
	assert.Zero(t, files, "another one was faster")
	files, err = d.Drop(t.Context(), filepath.Dir(kept))
	require.NoError(t, err)
	assert.Equal(t, 1, files)
	assert.Empty(t, ls(t, root, "logs/*"), "empty days go too")
	assert.Empty(t, ls(t, root, "_tmp/*/expired-*"))
	assert.FileExists(t, filepath.Join(root, write(day, "1")), "what comes late makes the directories again")
}
