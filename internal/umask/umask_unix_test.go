//go:build unix

package umask_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/umask"
)

func TestClose(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	for old, want := range map[int]os.FileMode{0: 0o600, 0o022: 0o600, 0o277: 0o400} {
		syscall.Umask(old)
		umask.Close()
		dir := t.TempDir()
		file := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(file, nil, 0o666))
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), "umask %o", old)
		syscall.Umask(0)
		require.NoError(t, os.Chmod(dir, 0o700))
	}
}

func Example() {
	umask.Close()
	// Output:
}
