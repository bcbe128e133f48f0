package freeport_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
)

func TestClaimsAreFreeAndDifferent(t *testing.T) {
	seen := map[string]bool{}
	for _, address := range append(freeport.Claim(t, 500), freeport.One(t)) {
		assert.False(t, seen[address], "another test of this process or of another one has %s", address)
		seen[address] = true
		l, err := net.Listen("tcp", address)
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}

func TestASocketsPathIsShort(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	require.NoError(t, os.Mkdir(long, 0o700))
	t.Setenv("TMPDIR", long)
	l, err := net.Listen("unix", freeport.Socket(t))
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
