//go:build unix

package lakestore_test

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// Whatever the umask, other users read nothing of the lake.
func TestFilesBelongToTheirOwner(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	root := filepath.Join(t.TempDir(), "data", "lake")
	d, _, err := lakestore.Open(root)
	require.NoError(t, err)
	_, err = d.Write(t.Context(), lakestore.PartitionDir("logs", time.Unix(0, 0), "t"), "", func(w io.Writer) error {
		_, err := io.WriteString(w, "content")
		return err
	})
	require.NoError(t, err)
	files := 0
	require.NoError(t, filepath.WalkDir(filepath.Dir(root), func(path string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		want := os.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		} else {
			files++
		}
		assert.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
	assert.Positive(t, files)
	require.NoError(t, d.Close())
}
