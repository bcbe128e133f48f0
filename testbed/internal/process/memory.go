package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Resident is how many bytes a child has in memory now, and Peak the most that it has had. Both include the pages of its program.
func (p *Process) Resident(t testing.TB) int64 { return p.status(t, "VmRSS:") }

// Peak is explained at Resident.
func (p *Process) Peak(t testing.TB) int64 { return p.status(t, "VmHWM:") }

// status returns a field of /proc/<pid>/status that is in KiB, in bytes.
func (p *Process) status(t testing.TB, field string) int64 {
	t.Helper()
	n, err := p.statusField(field)
	require.NoError(t, err)
	return n
}

func (p *Process) statusField(field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == field {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in %q", field, text)
}

// MostResident begins to look at how much memory of its own a child has resident, every tenth of a second: without the pages of its program
// and of files, which the kernel takes back when it needs them. The function that it returns ends that, and returns the most.
func (p *Process) MostResident() func() int64 {
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		seen := int64(0)
		for {
			if now, err := p.statusField("RssAnon:"); err == nil { // It may have ended.
				seen = max(seen, now)
			}
			select {
			case <-stop:
				most <- seen
				return
			case <-ticker.C:
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-most
	}
}
