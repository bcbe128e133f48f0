package journal

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/backends/kafka"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// static makes members whose sessions are longer than any test.
const static = `
receivers:
  kafka_replay/lake: {follow: {instance_id: "${env:PENSTOCK_INSTANCE_ID}", session_timeout: 5m, range: {max_wait: 0s}}}
processors:
  kafka_replay: {topics: {partitions: 2, replication_factor: 1, min_insync_replicas: 1, allow_weak_durability: true}}
`

// followed is the log line at a worker's beginning. It occurs at most ten times in a row.
const followed = "following a partition"

// Static members: a restart moves nothing, and one that goes for good is not missed, whether it says so itself or is removed by another.
func TestStaticMembersStayAndLeave(t *testing.T) {
	k := kafka.Start(t, 1)
	dir := t.TempDir()
	config, lake := filepath.Join(dir, "static.yaml"), filepath.Join(dir, "lake")
	require.NoError(t, os.WriteFile(config, []byte(static), 0o600))
	gateway := func(instance string) *process.Process {
		return process.Start(t, process.Settings{Configs: []string{"profile:gateway", config}, Env: map[string]string{
			"PENSTOCK_KAFKA_BROKERS": k.Addresses()[0], "PENSTOCK_KAFKA_TOPIC_PREFIX": "static", "PENSTOCK_LAKE_URL": lake, "PENSTOCK_INSTANCE_ID": instance,
		}})
	}
	sent := 0
	arrives := func(p *process.Process) {
		t.Helper()
		for range 6 {
			answer, err := send.Post(p.HTTP(), "/v1/logs", logRequest(sent), "Content-Type", "application/x-protobuf")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.Status, answer.Body)
			sent++
		}
		eventually(t, "log rows in the lake", func() (float64, error) { return float64(ask.LakeRows(t, lake, "logs")), nil }, float64(sent*logsPerRequest))
	}

	first := gateway("gateway-0")
	alone := map[string]int{"logs gateway-0": 2, "metrics gateway-0": 2, "traces gateway-0": 2}
	awaitMembers(t, first, alone)
	awaitWorkers(t, first, 6)
	second := gateway("gateway-1")
	shared := map[string]int{"logs gateway-0": 1, "logs gateway-1": 1, "metrics gateway-0": 1, "metrics gateway-1": 1, "traces gateway-0": 1, "traces gateway-1": 1}
	awaitMembers(t, first, shared)
	awaitWorkers(t, second, 3)
	arrives(first)

	now := func() map[string][]int {
		t.Helper()
		all, err := members(t, first)
		require.NoError(t, err)
		return all
	}
	before := now()
	second.Terminate(t)
	assert.Equal(t, before, now(), "while it is away")
	second.Restart(t)
	awaitWorkers(t, second, 6)
	assert.Equal(t, before, now(), "when it is back")
	assert.Equal(t, 6, strings.Count(first.Log(), followed), "the other was not disturbed")
	arrives(second)

	require.Equal(t, http.StatusNoContent, call(t, second, http.MethodPost, "leave"))
	second.Terminate(t)
	awaitMembers(t, first, alone)
	awaitWorkers(t, first, 9)
	arrives(first)

	second.Restart(t)
	awaitMembers(t, first, shared)
	second.Kill()
	assert.Len(t, now(), 6, "it is not missed yet")
	require.Equal(t, http.StatusNoContent, call(t, first, http.MethodDelete, "members/gateway-1"))
	awaitMembers(t, first, alone)
	arrives(first)
	require.Equal(t, http.StatusNotFound, call(t, first, http.MethodDelete, "members/gateway-1"))
}

func call(t testing.TB, p *process.Process, method, what string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Admin()+"/kafka_replay/lake/v1/"+what, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	t.Logf("%s %s: %d %s", method, what, resp.StatusCode, body)
	return resp.StatusCode
}

// members returns the partitions by signal and instance id, as p's API has them.
func members(t testing.TB, p *process.Process) (map[string][]int, error) {
	t.Helper()
	status, body, err := process.Fetch(t.Context(), "http://"+p.Admin()+"/kafka_replay/lake/v1/members")
	require.NoError(t, err)
	if status != http.StatusOK {
		return nil, fmt.Errorf("%d: %s", status, body)
	}
	var out struct {
		Members []struct {
			Signal     string
			InstanceID string `json:"instance_id"`
			Partitions []int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &out))
	all := map[string][]int{}
	for _, m := range out.Members {
		all[m.Signal+" "+m.InstanceID] = m.Partitions
	}
	return all, nil
}

// awaitMembers waits until the members have so many partitions each.
func awaitMembers(t testing.TB, p *process.Process, want map[string]int) {
	t.Helper()
	ask.Eventually(t, func() error {
		all, err := members(t, p)
		if err != nil {
			return err
		}
		got := map[string]int{}
		for who, partitions := range all {
			got[who] = len(partitions)
		}
		if !assert.ObjectsAreEqual(want, got) {
			return fmt.Errorf("members have %v, want %v", got, want)
		}
		return nil
	})
}

// awaitWorkers waits until so many workers have begun in p.
func awaitWorkers(t testing.TB, p *process.Process, n int) {
	t.Helper()
	ask.Eventually(t, func() error {
		if got := strings.Count(p.Log(), followed); got != n {
			return fmt.Errorf("%d workers have begun, want %d", got, n)
		}
		return nil
	})
}
