//go:build full

package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// previous is the binary of the last release; `make previous` builds it.
func previous(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("PENSTOCK_PREVIOUS_BINARY"); path != "" {
		return path
	}
	path := filepath.Join(filepath.Dir(process.Binary(t)), "previous", "penstock")
	require.FileExists(t, path, "run `make previous` first")
	return path
}
