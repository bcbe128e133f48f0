package profileprovider

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMemory(t *testing.T) {
	const machine = "proc/meminfo"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is told": {nil, unknownMemory},
		"no groups":       {map[string]string{machine: "MemFree: 1 kB\nMemTotal:        8388608 kB\n"}, 8 * gib},
		"version 2": {map[string]string{machine: "MemTotal: 8388608 kB\n", "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, gib},
		"version 2, the parent's": {map[string]string{machine: "MemTotal: 8388608 kB\n", "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max": "1073741824\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, gib},
		"version 2, in a container": {map[string]string{machine: "MemTotal: 8388608 kB\n", "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "536870912\n"}, gib / 2},
		"version 1": {map[string]string{machine: "MemTotal: 8388608 kB\n", "proc/self/cgroup": "9:cpu,memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n"}, gib},
		"version 1, in a container": {map[string]string{machine: "MemTotal: 8388608 kB\n", "proc/self/cgroup": "4:memory:/docker/1\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, gib},
		"version 1, no limit": {map[string]string{machine: "MemTotal: 8388608 kB\n", "proc/self/cgroup": "4:memory:/a\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, 8 * gib},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o600))
		}
		assert.Equal(t, c.want, memory(root), name)
	}
}

// The admitted amounts fit into the memory: requests read and in flight, queries, and series at 4 KiB.
func TestBoundsFitIntoTheMemory(t *testing.T) {
	at := func(m map[string]any, keys ...string) int64 {
		for _, k := range keys[:len(keys)-1] {
			m = m[k].(map[string]any)
		}
		return m[keys[len(keys)-1]].(int64)
	}
	for _, m := range []int64{gib, 2 * gib, 8 * gib, 64 * gib} {
		s := surroundings{profile: "standalone", memory: m}
		intake, tsdb, guard := intakeBounds(s), tsdbBounds(s), guardBounds(s)
		flight, reading := at(intake, "extensions", "nesting_limit", "max_in_flight"), at(intake, "extensions", "nesting_limit", "max_reading")
		series := at(tsdb, "extensions", "embedded_tsdb", "max_series")
		query := func(key string) int64 { return at(tsdb, "extensions", "embedded_tsdb", "query", key) }
		assert.LessOrEqual(t, flight+reading+16*query("max_samples")*query("max_concurrency")+4<<10*series, m/4*3, "%d GiB", m/gib)
		assert.Less(t, at(guard, "processors", "cardinality_guard/tsdb", "limits", "series"), series, "the guard folds before the TSDB refuses")
	}
	large := surroundings{profile: "standalone", memory: 64 * gib}
	assert.EqualValues(t, 1_000_000, at(guardBounds(large), "processors", "cardinality_guard/tsdb", "limits", "series"))
	assert.EqualValues(t, 2_000_000, at(tsdbBounds(large), "extensions", "embedded_tsdb", "max_series"))
}

// Garbage stays only where the machine is ours, and well below what memory_limiter refuses at.
func TestTheHeapsFloor(t *testing.T) {
	assert.Zero(t, heapFloor(surroundings{profile: "agent", memory: 64 * gib}))
	for _, profile := range []string{"standalone", "gateway"} {
		assert.EqualValues(t, 128*mib, heapFloor(surroundings{profile: profile, memory: gib}))
		assert.EqualValues(t, 512*mib, heapFloor(surroundings{profile: profile, memory: 64 * gib}))
	}
}
