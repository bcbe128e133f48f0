package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// CPUSoFar is the user and system time of a child that runs.
func (p *Process) CPUSoFar(t testing.TB) time.Duration {
	t.Helper()
	return CPUOf(t, p.Pid())
}

// CPUOf is CPUSoFar of any process: of its CPU clock, or of /proc, in ticks of 10 ms, where there is no such clock.
func CPUOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	if spent, err := cpuClock(pid); err == nil {
		return spent
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks time.Duration
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		require.NoError(t, err)
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

// cpuClock reads the CPU clock of a process, which counts nanoseconds where /proc has ticks. The clock's number is the one
// that clock_getcpuclockid(3) makes of a process id.
func cpuClock(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h: user and system time
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &spent); err != nil {
		return 0, err
	}
	return time.Duration(spent.Nano()), nil
}
