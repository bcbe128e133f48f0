package store_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// awaitStopped returns when all threads of a process have stopped: the directory does not change any more.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return false
		}
		for _, task := range tasks {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, task.Name()))
			if err != nil {
				return false
			}
			_, rest, _ := strings.Cut(string(stat), ") ")
			if !strings.HasPrefix(rest, "T") {
				return false
			}
		}
		return true
	}, time.Minute, 200*time.Microsecond)
}

func quietSettings(dir string) store.Settings {
	return store.Settings{Directory: dir, Retention: 7 * 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zap.NewNop()}
}
