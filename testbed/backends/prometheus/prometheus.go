// Package prometheus runs a real Prometheus for tests: one process, its own directory, loopback only.
package prometheus

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// startTimeout is how long a start may take on a loaded machine.
const startTimeout = 60 * time.Second

// Release names a binary in build/backends; testbed/backends/prometheus/Makefile puts them there.
type Release string

// The releases.
const (
	Three  Release = "prometheus"        // version 3, which speaks remote write 2.0
	Debian Release = "prometheus-debian" // version 2.42, which doesn't
)

// Binary returns the path of a release. PROMETHEUS_BINARY is the path of version 3, where it lies elsewhere.
func Binary(t testing.TB, r Release) string {
	t.Helper()
	if path := os.Getenv("PROMETHEUS_BINARY"); path != "" && r == Three {
		return path
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "build", "backends", string(r))
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	require.Fail(t, "no build/backends/"+string(r)+" above the working directory: run `make backends` first")
	return ""
}

// Server is one Prometheus. Address and directory stay the same when it is started again.
type Server struct {
	Address string // host:port

	binary string
	dir    string
	args   []string
	log    logBuffer
	cmd    *exec.Cmd
}

// logBuffer is written by the process of now and of before.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// Start starts version 3 with its remote write receiver and nothing to scrape, and returns its host:port when it is ready.
// It is killed when the test ends.
func Start(t testing.TB, args ...string) (address string) {
	t.Helper()
	return New(t, Three, args...).Address
}

// New is Start for any release.
func New(t testing.TB, r Release, args ...string) *Server {
	t.Helper()
	return Configured(t, r, "global: {}\n", args...)
}

// Configured is New with a configuration, in YAML.
func Configured(t testing.TB, r Release, config string, args ...string) *Server {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	s := &Server{Address: freeport.One(t), binary: Binary(t, r), dir: dir}
	s.args = append([]string{
		"--config.file=" + path, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + s.Address, "--web.enable-remote-write-receiver",
	}, args...)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("Prometheus' log:\n%s", s.log.text.String())
		}
	})
	s.Run(t)
	return s
}

// Run starts the process, again after Kill, and waits until it is ready.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command(s.binary, s.args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, s.cmd.Start())
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(startTimeout); ; <-tick.C {
		if status, _, err := process.Fetch(t.Context(), "http://"+s.Address+"/-/ready"); err == nil && status == http.StatusOK {
			return
		}
		require.True(t, time.Now().Before(end), "Prometheus is not ready after %s", startTimeout)
	}
}

// Kill ends the process with SIGKILL and waits for its end. It may be repeated.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}
