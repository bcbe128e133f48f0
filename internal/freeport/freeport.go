// Package freeport gives tests loopback addresses to listen on, for servers that need an address and can't report the port that they got.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
)

// The range is below the ports that kernels give to outgoing connections: such a connection could take a port while the server that should listen
// there is down.
const lowest, count = 20_000, 12_000

// Claim returns n loopback addresses on which nothing listens and that belong to this test until it ends. A listener at port 0 that is closed again
// does not keep its port: another test may get it before the server binds it.
func Claim(t testing.TB, n int) []string {
	t.Helper()
	claims := filepath.Join(common(), fmt.Sprintf("penstock-test-ports-%d", os.Getuid()))
	require.NoError(t, os.MkdirAll(claims, 0o755))
	addresses := make([]string, 0, n)
	for tries := 0; len(addresses) < n; tries++ {
		require.Less(t, tries, 1000, "no free ports from %d to %d", lowest, lowest+count-1)
		port := lowest + rand.IntN(count)
		claim := flock.New(filepath.Join(claims, strconv.Itoa(port)), flock.SetPermissions(0o600)) // released when this process ends
		if held, err := claim.TryLock(); err != nil || !held {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			_ = claim.Unlock()
			continue
		}
		_ = l.Close()
		t.Cleanup(func() { _ = claim.Unlock() })
		addresses = append(addresses, address)
	}
	return addresses
}

// common is the directory that all tests on this machine share, whatever their TMPDIR: ports are the machine's.
func common() string {
	if info, err := os.Stat("/tmp"); err == nil && info.IsDir() {
		return "/tmp"
	}
	return os.TempDir()
}

// One returns one address, as Claim does.
func One(t testing.TB) string {
	t.Helper()
	return Claim(t, 1)[0]
}
