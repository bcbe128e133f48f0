//go:build unix

package profileprovider_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Libraries leave modes to the umask.
func TestAProfileKeepsOtherUsersOut(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	resolve(t, nil, "profile:standalone")
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.Mkdir(dir, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o666))
	for name, want := range map[string]os.FileMode{"": 0o700, "file": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), name)
	}
}
