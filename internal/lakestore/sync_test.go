package lakestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
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

// FAT, and what network and user space file systems answer.
func TestADirectoryWithoutHardLinksSaysSo(t *testing.T) {
	for _, answer := range []error{syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS} {
		d := open(t, t.TempDir())
		d.OnLink(func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: answer} })
		_, err := d.Create(t.Context(), "_c/1.json", []byte("x"))
		require.ErrorIs(t, err, lakestore.ErrNoCreate)
		var storage *lakestore.IOError
		require.ErrorAs(t, err, &storage)
	}
	d := open(t, t.TempDir())
	d.OnLink(func(string, string) error { return syscall.ENOSPC })
	_, err := d.Create(t.Context(), "_c/1.json", []byte("x"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NotErrorIs(t, err, lakestore.ErrNoCreate)
}
