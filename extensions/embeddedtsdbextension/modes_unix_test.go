//go:build unix

package embeddedtsdbextension

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Prometheus' storage leaves the modes of its files to the umask; no other user can enter the directory.
func TestTheDirectoryBelongsToItsOwner(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "data", "tsdb")
	start(t, testConfig(t, dir))
	for _, path := range []string{dir, filepath.Dir(dir)} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), path)
	}
}
