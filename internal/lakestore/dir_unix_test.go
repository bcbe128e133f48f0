//go:build unix

package lakestore_test

import (
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
)

func TestFullDiskIsAnIOErrorAndLeavesNothing(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	// RLIMIT_FSIZE simulates a full disk: write fails in the middle of the file.
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: old.Max}))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)) }()
	_, err := d.Write(t.Context(), "a", "", func(w io.Writer) error {
		_, err := w.Write(make([]byte, 4<<20))
		if err != nil {
			return errors.New("encoder: something else")
		}
		return nil
	})
	var ioErr *lakestore.IOError
	require.ErrorAs(t, err, &ioErr)
	require.ErrorIs(t, err, syscall.EFBIG)
	require.Empty(t, ls(t, root, "a/*"))
	require.Empty(t, ls(t, root, "_tmp/*/*"))
}
