// Package prometheus runs a real Prometheus for tests: one process, its own directory, loopback only.
package prometheus

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// startTimeout is how long a start may take on a loaded machine.
const startTimeout = 60 * time.Second

// Binary is PROMETHEUS_BINARY, or what testbed/backends/prometheus/Makefile builds.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("PROMETHEUS_BINARY"); path != "" {
		return path
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "build", "backends", "prometheus")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	require.Fail(t, "no build/backends/prometheus above the working directory: run `make backends` first")
	return ""
}

// Start starts Prometheus with its remote write receiver and nothing to scrape, and returns its host:port when it is ready.
// It is killed when the test ends.
func Start(t testing.TB, args ...string) (address string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(path, []byte("global: {}\n"), 0o600))
	address = process.FreePorts(t, 1)[0]
	var log bytes.Buffer
	cmd := exec.Command(Binary(t), append([]string{
		"--config.file=" + path, "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + address, "--web.enable-remote-write-receiver",
	}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus' log:\n%s", log.String())
		}
	})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(startTimeout); ; <-tick.C {
		if status, _, err := process.Fetch(t.Context(), "http://"+address+"/-/ready"); err == nil && status == http.StatusOK {
			return address
		}
		require.True(t, time.Now().Before(end), "Prometheus is not ready after %s", startTimeout)
	}
}
