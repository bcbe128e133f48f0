package sockets_test

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/sockets"
)

func TestParse(t *testing.T) {
	for text, want := range map[string][]sockets.Address{
		"127.0.0.1:514":               {{Network: "udp", Address: "127.0.0.1:514"}, {Network: "tcp", Address: "127.0.0.1:514"}},
		"udp://:514":                  {{Network: "udp", Address: ":514"}},
		"tcp://[::1]:514":             {{Network: "tcp", Address: "[::1]:514"}},
		"tls://h:6514":                {{Network: "tls", Address: "h:6514"}},
		"unixgram:///run/statsd.sock": {{Network: "unixgram", Address: "/run/statsd.sock"}},
	} {
		got, err := sockets.Parse(text, false)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	secure, err := sockets.Parse("h:6514", true)
	require.NoError(t, err)
	assert.Equal(t, sockets.TLS, secure[1].Network)
	for _, text := range []string{"", "514", "udp://h", "h:port", "http://h:1", "unixgram://run", "tcp://h:70000"} {
		_, err := sockets.Parse(text, false)
		assert.Error(t, err, text)
	}
}

// seen records the calls of a server's callbacks.
type seen struct {
	mu      sync.Mutex
	packets []string
	lines   []string
	refused []string
}

func (s *seen) settings(t *testing.T, addresses ...string) sockets.Settings {
	set := sockets.Settings{MaxConnections: 2, SocketMode: 0o600}
	for _, text := range addresses {
		all, err := sockets.Parse(text, false)
		require.NoError(t, err)
		set.Addresses = append(set.Addresses, all...)
	}
	set.Packet = func(p []byte, _ net.Addr) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.packets = append(s.packets, string(p))
	}
	set.Stream = func(conn net.Conn) {
		for scanner := bufio.NewScanner(conn); scanner.Scan(); {
			s.mu.Lock()
			s.lines = append(s.lines, scanner.Text())
			s.mu.Unlock()
		}
	}
	set.Refused = func(reason string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.refused = append(s.refused, reason)
	}
	set.Failed = func(err error) { t.Error(err) }
	return set
}

// Data that the kernel holds when a server stops is read, over each kind of socket.
func TestStopReadsWhatTheKernelHolds(t *testing.T) {
	s := &seen{}
	path := filepath.Join(t.TempDir(), "s")
	server, err := sockets.Listen(t.Context(), s.settings(t, "127.0.0.1:0", "unixgram://"+path))
	require.NoError(t, err)
	for _, to := range server.Addresses() {
		conn, err := net.Dial(to.Network(), to.String())
		require.NoError(t, err)
		for range 50 {
			_, err = conn.Write([]byte(to.Network() + "\n"))
			require.NoError(t, err)
		}
		if to.Network() == "tcp" { // one line more than were there is the sign that the connection was accepted
			defer conn.Close()
			for accepted := false; !accepted; {
				s.mu.Lock()
				accepted = len(s.lines) > 0
				s.mu.Unlock()
			}
			continue
		}
		require.NoError(t, conn.Close())
	}
	server.Stop()
	server.Stop()
	assert.Len(t, s.packets, 100)
	assert.Len(t, s.lines, 50)
	_, err = os.Stat(path)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestConnectionsAreBounded(t *testing.T) {
	s := &seen{}
	server, err := sockets.Listen(t.Context(), s.settings(t, "tcp://127.0.0.1:0"))
	require.NoError(t, err)
	for range 3 {
		conn, err := net.Dial("tcp", server.Addresses()[0].String())
		require.NoError(t, err)
		defer conn.Close()
		if _, err = conn.Write([]byte("x\n")); err != nil {
			continue
		}
	}
	for refused := false; !refused; {
		s.mu.Lock()
		refused = len(s.refused) > 0
		s.mu.Unlock()
	}
	server.Stop()
	assert.Equal(t, []string{sockets.TooMany}, s.refused)
}

// The socket file of a killed process does not prevent the start; one in use, or anything else at the path, does.
func TestUnixSocketsLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	s := &seen{}
	set := s.settings(t, "unixgram://"+path)
	_, err = sockets.Listen(t.Context(), set)
	assert.ErrorContains(t, err, "another process listens on it")
	require.NoError(t, left.Close()) // which leaves the file, as a kill does
	server, err := sockets.Listen(t.Context(), set)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	server.Stop()
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = sockets.Listen(t.Context(), set)
	assert.Error(t, err)
}
