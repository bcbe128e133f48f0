package freeport

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// longest is how many bytes the path of a Unix socket may have on every system: sun_path has 104 on some, 108 on Linux, with a final zero.
const longest = 103

// Socket returns a path for a Unix socket that is short enough, whatever the names of the test and of TMPDIR. Its directory goes with the test.
func Socket(t testing.TB) string {
	t.Helper()
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		dir, err := os.MkdirTemp(parent, "s")
		require.NoError(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if path := filepath.Join(dir, "s"); len(path) <= longest {
			return path
		}
	}
	require.Fail(t, "no short path for a socket")
	return ""
}
