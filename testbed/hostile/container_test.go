package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

const memory = 1 << 30

// start starts the binary where it has 1 GiB: in a control group where this user may make one (the kernel kills what needs more), or
// else with GOMEMLIMIT, from which profiles take how much memory there is; the resident size is looked at in either case.
func start(t *testing.T) (p *process.Process, kernel bool) {
	t.Helper()
	settings := process.Settings{Env: map[string]string{"GOMEMLIMIT": strconv.Itoa(memory / 4 * 3)}, Args: []string{
		"--set=processors::memory_limiter::limit_percentage=0", "--set=processors::memory_limiter::spike_limit_percentage=0",
		"--set=processors::memory_limiter::limit_mib=768", "--set=processors::memory_limiter::spike_limit_mib=205"}}
	if procs := makeGroup(t); procs != "" {
		settings = process.Settings{Under: []string{"/bin/sh", "-c", `echo $$ > "$0" && exec "$@"`, procs}}
		kernel = true
	}
	return process.Start(t, settings), kernel
}

// makeGroup makes a control group of 1 GiB and returns the file that takes processes into it, empty if that can't be done.
func makeGroup(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, limit := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		switch {
		case parts[0] == "0" && parts[1] == "":
			root, limit = "/sys/fs/cgroup", "memory.max"
		case parts[1] != "memory":
			continue
		}
		group := filepath.Join(root, parts[2], fmt.Sprintf("penstock-hostile-%d", os.Getpid()))
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(group) }) // runs after the process has been killed
		if os.WriteFile(filepath.Join(group, limit), []byte(strconv.Itoa(memory)), 0o600) == nil {
			return filepath.Join(group, "cgroup.procs")
		}
	}
	return ""
}
