package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Previous returns the path of the last release's binary: PENSTOCK_PREVIOUS_BINARY, or what `make previous` has built.
func Previous(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("PENSTOCK_PREVIOUS_BINARY"); path != "" {
		return path
	}
	path := filepath.Join(filepath.Dir(Binary(t)), "previous", "penstock")
	require.FileExists(t, path, "run `make previous` first")
	return path
}
