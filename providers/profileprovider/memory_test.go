package profileprovider

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
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

// Garbage stays only where the machine is ours, and no garbage makes memory_limiter refuse data.
func TestTheHeapsBounds(t *testing.T) {
	assert.Zero(t, heapBounds(surroundings{profile: "agent", memory: 64 * gib}).Floor)
	for _, profile := range []string{"standalone", "gateway"} {
		assert.EqualValues(t, 128*mib, heapBounds(surroundings{profile: profile, memory: gib}).Floor)
		assert.EqualValues(t, 512*mib, heapBounds(surroundings{profile: profile, memory: 64 * gib}).Floor)
	}
	for _, profile := range []string{"standalone", "gateway", "agent"} {
		for _, memory := range []int64{gib / 2, gib, 64 * gib} {
			env := func(name string) (string, bool) { return "x", name == "GOMEMLIMIT" }
			s := surroundings{profile: profile, memory: memory, env: env}
			conf := limiterBounds(s)
			if profile == "agent" {
				var err error
				conf, err = load(fragment{name: "memory_agent"})
				require.NoError(t, err)
			}
			limiter := confmap.NewFromStringMap(conf)
			var limit, spike int64
			_, err := fmt.Sscan(fmt.Sprint(limiter.Get("processors::memory_limiter::limit_mib"), " ", limiter.Get("processors::memory_limiter::spike_limit_mib")), &limit, &spike)
			require.NoError(t, err)
			refuses := (limit - spike) * mib
			assert.LessOrEqual(t, heapBounds(s).Ceiling, uint64(refuses)/100*91, "%s, %d MiB", profile, memory/mib)
			assert.GreaterOrEqual(t, heapBounds(s).Ceiling, uint64(refuses)/100*89, "%s, %d MiB", profile, memory/mib)
		}
	}
}

// Without GOMEMLIMIT memory_limiter finds out by itself.
func TestTheLimiterFollowsGOMEMLIMIT(t *testing.T) {
	unset := func(string) (string, bool) { return "", false }
	assert.Empty(t, limiterBounds(surroundings{memory: gib, env: unset}))
	set := func(name string) (string, bool) { return "768MiB", name == "GOMEMLIMIT" }
	assert.Equal(t, map[string]any{"processors": map[string]any{"memory_limiter": map[string]any{"limit_mib": int64(768), "spike_limit_mib": int64(204)}}},
		limiterBounds(surroundings{memory: gib, env: set}))
}
