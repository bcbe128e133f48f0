//go:build full

package logstores

import (
	"context"
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

const startTimeout = 2 * time.Minute

// peer is another program that runs as a child, with its directory and its address.
type peer struct {
	binary, directory, ready string
	args                     []string

	cmd  *exec.Cmd
	done chan struct{}
}

func (p *peer) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(p.directory, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	cmd := exec.Command(p.binary, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.directory, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the log of %s ends with:\n%s", filepath.Base(p.binary), text[max(0, len(text)-3000):])
		}
	})
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(50 * time.Millisecond) {
		if status, _, err := process.Fetch(context.Background(), p.ready); err == nil && status == http.StatusOK {
			return
		}
		select {
		case <-done:
			require.Fail(t, "it ended before it was ready", log.Name())
		default:
		}
		require.True(t, time.Now().Before(deadline), "%s is not ready", p.binary)
	}
}

// terminate ends the child by SIGTERM: both programs write to disk what they have in memory.
func (p *peer) terminate(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(5 * time.Minute):
		require.Fail(t, "still running after SIGTERM", p.binary)
	}
}

// usedCPU is the time of a child that has ended.
func usedCPU(state *os.ProcessState) time.Duration { return state.UserTime() + state.SystemTime() }
