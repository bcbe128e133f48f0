package lakestore_test

import (
	"os"
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

func TestExpiredPartitionsGoWhole(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	write := func(signal string, hour time.Time, tenant, name string) string {
		w, err := d.Write(t.Context(), lakestore.PartitionDir(signal, hour, tenant), name, content(name))
		require.NoError(t, err)
		return w.Path
	}
	old := write("logs", day, "a", "1")
	write("logs", day, "a", "2")
	kept := write("logs", day, "b", "1")
	other := write("traces", day, "a", "1")
	later := write("logs", day.Add(time.Hour), "a", "1")
	undatedOld, undatedNew := write("logs", time.Unix(0, 0), "a", "old"), write("logs", time.Unix(0, 0), "a", "new")
	long := time.Now().Add(-1000 * time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(root, undatedOld), long, long))

	files, err := d.Expire(t.Context(), "logs", func(p lakestore.Partition, at time.Time) bool {
		if p.Undated() {
			return at.Before(time.Now().Add(-time.Hour))
		}
		return p.Tenant == "a" && !at.After(day.Add(time.Hour))
	})
	require.NoError(t, err)
	assert.Equal(t, 3, files)
	assert.NoDirExists(t, filepath.Dir(filepath.Join(root, old)))
	assert.NoFileExists(t, filepath.Join(root, undatedOld))
	for _, path := range []string{kept, other, later, undatedNew} {
		assert.FileExists(t, filepath.Join(root, path))
	}
	assert.Empty(t, ls(t, root, "_tmp/*/expired-*"))

	files, err = d.Expire(t.Context(), "logs", func(p lakestore.Partition, _ time.Time) bool { return !p.Undated() })
	require.NoError(t, err)
	assert.Equal(t, 2, files)
	assert.Equal(t, []string{filepath.Join(root, "logs/date=1970-01-01")}, ls(t, root, "logs/*"), "empty days go too")
	assert.FileExists(t, filepath.Join(root, write("logs", day, "a", "1")), "what comes late makes the directories again")
}
