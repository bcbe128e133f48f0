package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Resident is how many bytes a child has in memory now, and Peak the most that it has had. Both include the pages of its program.
func (p *Process) Resident(t testing.TB) int64 { return p.status(t, "VmRSS:") }

// Peak is explained at Resident.
func (p *Process) Peak(t testing.TB) int64 { return p.status(t, "VmHWM:") }

// status returns a field of /proc/<pid>/status that is in KiB, in bytes.
func (p *Process) status(t testing.TB, field string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == field {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			require.NoError(t, err)
			return kib << 10
		}
	}
	require.Failf(t, "no "+field, "%s", text)
	return 0
}
