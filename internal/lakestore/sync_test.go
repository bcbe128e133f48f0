package lakestore_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// A file survives a power cut when its directory does, and each new parent of that.
func TestDirectoriesAreDurableBeforeWriteReturns(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	var synced []string
	d.OnSync(func(dir string) error {
		relative, err := filepath.Rel(root, dir)
		synced = append(synced, relative)
		return err
	})
	_, err := d.Write(t.Context(), "logs/date=1/hour=2", "a", content("x"))
	require.NoError(t, err)
	assert.Equal(t, []string{".", "logs", "logs/date=1", "logs/date=1/hour=2"}, synced)
	synced = nil
	_, err = d.Write(t.Context(), "logs/date=1/hour=2", "b", content("x"))
	require.NoError(t, err)
	assert.Equal(t, []string{"logs/date=1/hour=2"}, synced, "the parents are known")
}

func TestAFailedFsyncOfADirectoryIsNoAnswer(t *testing.T) {
	for _, fails := range []string{".", "logs", "logs/hour=2"} {
		root := t.TempDir()
		d := open(t, root)
		broken := errors.New("input/output error")
		d.OnSync(func(dir string) error {
			if dir == filepath.Join(root, fails) {
				return broken
			}
			return nil
		})
		_, err := d.Write(t.Context(), "logs/hour=2", "a", content("x"))
		require.ErrorIs(t, err, broken, fails)
		var storage *lakestore.IOError
		require.ErrorAs(t, err, &storage, "so it is tried again")
		broken = nil
		_, err = d.Write(t.Context(), "logs/hour=2", "a", content("x"))
		require.NoError(t, err)
		assert.Len(t, ls(t, root, "logs/hour=2/a.parquet"), 1)
	}
}
