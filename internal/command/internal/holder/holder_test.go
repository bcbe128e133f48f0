//go:build linux

package holder_test

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/command/internal/holder"
)

func TestOf(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil && address != "127.0.0.1:0" {
			t.Logf("no IPv6 here: %v", err)
			continue
		}
		require.NoError(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		name, pid, ok := holder.Of("tcp", port)
		assert.True(t, ok)
		assert.Equal(t, os.Getpid(), pid)
		assert.NotEmpty(t, name)
		require.NoError(t, l.Close())
		_, _, ok = holder.Of("tcp", port)
		assert.False(t, ok)
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, u.Close()) }()
	_, pid, ok := holder.Of("udp", u.LocalAddr().(*net.UDPAddr).Port)
	assert.True(t, ok)
	assert.Equal(t, os.Getpid(), pid)
}
