// Package victorialogs runs a real VictoriaLogs for tests: one process, its own directory, loopback only.
package victorialogs

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
)

// startTimeout is how long a start may take on a loaded machine.
const startTimeout = 60 * time.Second

// Binary is where this directory's Makefile puts VictoriaLogs.
func Binary(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "build", "backends", "victoria-logs")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	require.Fail(t, "no build/backends/victoria-logs above the working directory: run `make backends` first")
	return ""
}

// Start starts VictoriaLogs with seven days of retention and returns its URL when it is ready. It is killed when the test ends.
func Start(t testing.TB) string {
	t.Helper()
	address := freeport.Claim(t, 1)[0]
	log, err := os.Create(filepath.Join(t.TempDir(), "victorialogs.log"))
	require.NoError(t, err)
	cmd := exec.Command(Binary(t), "-httpListenAddr="+address, "-storageDataPath="+t.TempDir(), "-retentionPeriod=7d")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		_ = log.Close()
	})
	url := "http://" + address
	require.Eventually(t, func() bool { return healthy(t.Context(), url) == nil }, startTimeout, 20*time.Millisecond, "see %s", log.Name())
	return url
}

func healthy(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}
