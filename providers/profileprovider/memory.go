package profileprovider

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/providers/profileprovider/internal/heapfloor"
)

const (
	mib = 1 << 20
	gib = 1 << 30

	// unknownMemory is assumed if the machine's memory is unknown: the bounds are then those of a large one.
	unknownMemory = 64 * gib
)

// memory returns the bytes that the process may use: the smallest limit of its control groups, or the machine's memory. root is "/", except in
// tests.
func memory(root string) int64 {
	total := int64(unknownMemory)
	if info, err := os.ReadFile(filepath.Join(root, "proc/meminfo")); err == nil {
		for line := range strings.Lines(string(info)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
				if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil {
					total = kib << 10
				}
			}
		}
	}
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return total
	}
	lines := bufio.NewScanner(bytes.NewReader(groups))
	for lines.Scan() {
		id, rest, _ := strings.Cut(lines.Text(), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch {
		case id == "0" && controllers == "": // the second version; a group's parents limit it too
			for _, mount := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
				for at := group; ; at = filepath.Dir(at) {
					total = min(total, limitIn(filepath.Join(root, mount, at, "memory.max")))
					if at == "/" || at == "." {
						break
					}
				}
			}
		case strings.Contains(","+controllers+",", ",memory,"):
			// In a container the group is mounted at the top.
			total = min(total, limitIn(filepath.Join(root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes")),
				limitIn(filepath.Join(root, "sys/fs/cgroup/memory/memory.limit_in_bytes")))
		}
	}
	return total
}

// limitIn reads a limit; a file that is missing or says "max" has none.
func limitIn(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}

// limitHeap makes Go collect garbage more often when three quarters of the memory are in use. Without a limit the heap grows to twice its live size
// before the next collection, which kills a container that needs only half of its memory. The user's own GOMEMLIMIT wins.
func limitHeap(s surroundings) {
	if !s.isSet("GOMEMLIMIT") {
		debug.SetMemoryLimit(s.memory / 4 * 3)
	}
	if !s.isSet("GOGC") {
		heapfloor.Keep(heapBounds(s))
	}
}

// The shares of the memory at which memory_limiter collects garbage itself, and by how much less it already refuses data, in percent.
const limiterShare, spikeShare = 75, 20

// heapBounds are the size up to which garbage may stay, an eighth of the memory and at most 512 MiB, and the one that garbage alone does not exceed: nine tenths of that from
// which memory_limiter refuses data, because it counts garbage. On somebody else's machine, an agent's, garbage does not stay.
func heapBounds(s surroundings) heapfloor.Bounds {
	if s.profile == "agent" {
		return heapfloor.Bounds{Ceiling: (agentLimit - agentSpike) / 10 * 9}
	}
	return heapfloor.Bounds{Floor: uint64(min(s.memory/8, 512*mib)), Ceiling: uint64(s.memory / 100 * (limiterShare - spikeShare) / 10 * 9)}
}

// What memory_agent.yaml gives memory_limiter.
const agentLimit, agentSpike = 512 * mib, 128 * mib

// limiterBounds are memory_limiter's shares where GOMEMLIMIT says how much memory there is: it does not know that, and would take the whole machine's.
func limiterBounds(s surroundings) map[string]any {
	if !s.isSet("GOMEMLIMIT") {
		return nil
	}
	return map[string]any{"processors": map[string]any{"memory_limiter": map[string]any{
		"limit_mib": max(s.memory/mib*limiterShare/100, 1), "spike_limit_mib": s.memory / mib * spikeShare / 100,
	}}}
}

// heapLimit is the value for GOMEMLIMIT, most of the memory.
func heapLimit() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit > math.MaxInt64/4 { // none
		return limit
	}
	return limit / 3 * 4
}

// intakeBounds bound the memory of requests that are being read, and of decoded and unanswered ones: an eighth of the memory each; for an agent,
// what fits into memory_limiter's share.
func intakeBounds(s surroundings) map[string]any {
	most := int64(gib)
	if s.profile == "agent" {
		most = 128 * mib
	}
	share := clamp(s.memory/8, 64*mib, most)
	return map[string]any{"extensions": map[string]any{"nesting_limit": map[string]any{
		"max_in_flight": share, "max_reading": clamp(share, 3*32*mib, 512*mib), // three times the largest request
	}}}
}

// ingestBounds are the bounds and origins for plain JSON: an eighth of the memory, at six times the largest body for each request, and the origins
// of pages.
func ingestBounds(s surroundings) map[string]any {
	receiver := map[string]any{"max_concurrent_requests": clamp(s.memory/8/(6*4*mib), 4, 64)}
	if cors := corsOf(s); cors != nil {
		receiver["cors"] = cors
	}
	return map[string]any{"receivers": map[string]any{"ingest": receiver}}
}

// seriesBounds are the number of series that the TSDB holds, at 4 KiB each, in a third of the memory, and the budget before it, which folds before
// the TSDB must refuse; rollups add series after the budget.
func (s surroundings) seriesBounds() (stored, budget int64) {
	stored = clamp((s.memory-512*mib)/(12<<10), 10_000, 2_000_000)
	return stored, min(stored/2, 1_000_000)
}

// tsdbBounds divides a quarter of the memory among the concurrent queries.
func tsdbBounds(s surroundings) map[string]any {
	const sampleSize = 16
	queries := clamp(s.memory/(256*mib), 2, 20)
	stored, _ := s.seriesBounds()
	return map[string]any{"extensions": map[string]any{"embedded_tsdb": map[string]any{
		"max_series": stored,
		"query": map[string]any{
			"max_concurrency": queries,
			"max_samples":     clamp(s.memory/4/queries/sampleSize, 500_000, 50_000_000),
		},
	}}}
}

// logsBounds are the caches of the store of logs and traces: a sixteenth of the memory; a query may hold two fifths of that for each step.
func logsBounds(s surroundings) map[string]any {
	return map[string]any{"extensions": map[string]any{"embedded_logs": map[string]any{"memory": clamp(s.memory/16, 32*mib, 512*mib)}}}
}

// guardBounds is the budget before the TSDB of this process. Each metric can have one more stream, into which the guard folds.
func guardBounds(s surroundings) map[string]any {
	_, budget := s.seriesBounds()
	return map[string]any{"processors": map[string]any{"cardinality_guard/tsdb": map[string]any{
		"limits": map[string]any{"series": budget, "metrics": min(budget/2, 100_000)},
	}}}
}

// rollupBounds bound the streams for which the rollup before the TSDB of this process keeps windows.
func rollupBounds(s surroundings) map[string]any {
	_, budget := s.seriesBounds()
	return map[string]any{"processors": map[string]any{"window_rollup/tsdb": map[string]any{
		"max_streams": min(budget, 500_000), "max_input_streams": 2 * min(budget, 500_000),
	}}}
}

// lakeRange is how many bytes of the journal become one file of the lake. Points of fifty bytes take ten times that while they are decoded and
// converted to rows, for each signal.
func (s surroundings) lakeRange() int64 { return clamp(s.memory/128, 4*mib, 32*mib) }

func clamp(n, least, most int64) int64 { return max(least, min(n, most)) }
