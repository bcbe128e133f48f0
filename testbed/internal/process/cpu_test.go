package process_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

func TestTheCPUOfAProcessGrows(t *testing.T) {
	before := process.CPUOf(t, os.Getpid())
	require.Positive(t, before)
	require.Eventually(t, func() bool { return process.CPUOf(t, os.Getpid()) > before }, time.Minute, time.Millisecond)
}

func TestTheCPUOfAnotherProcess(t *testing.T) {
	other := exec.Command("sleep", "1h")
	require.NoError(t, other.Start())
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	})
	// The kernel adds up what a process used when it gives the CPU back.
	require.Eventually(t, func() bool { return process.CPUOf(t, other.Process.Pid) > 0 }, time.Minute, time.Millisecond)
	require.Less(t, process.CPUOf(t, other.Process.Pid), process.CPUOf(t, os.Getpid())+time.Minute)
}
